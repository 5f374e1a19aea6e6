"""Remedies: for what is from elsewhere, for wrong types, for time zones."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from engine.cel import compile_expression
from engine.cel.check.remedies import (
    _CITIES,
    _ZONE_ABBREVIATIONS,
    remedy_of_function,
    remedy_of_name,
    remedy_of_regex,
    remedy_of_zone,
)
from engine.cel.syntax import remedies
from engine.cel.syntax.examples import NEUTRAL
from engine.errors import ExpressionError
from tests.unit.cel.plate_variables import VARIABLES, problems_of

_OPERANDS = [
    "camera_id", "latency_ms", "plate.confidence", "is_test", "tags", "labels", "plate", "time",
    "vehicle.make", "extras", "null", "'a'", "1", "1u", "1.5", "true", "b'a'", "[1]", "['a']",
    "{'a': 1}", "duration('1h')", "type(1)", "dyn(1)", "[]", "{}",
]  # fmt: skip
_SIGNS = ["+", "-", "*", "/", "%", "<", ">=", "==", "!=", "in", "&&", "||"]
GENERAL = 'name a place, such as "Europe/Berlin", or an offset, such as "+01:00"'


def remedies_of(text: str) -> list[str]:
    """The remedies of all problems of an expression."""
    try:
        problems = compile_expression(text, VARIABLES).warnings
    except ExpressionError as error:
        problems = error.problems
    return [each.remedy for each in problems]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("vehicle.color == NULL", "write null"),
        ("is_test == True", "write true"),
        ("now > time", "the event's instant is `time`"),
        ("event.plate.text == 'A'", "leave it out, fields are written as they are: plate.text"),
        ("rule.id == 'x'", "only messages and their placeholders know it"),
        ("plate.normalized_text == ABC123", 'put quotes around a text: "ABC123"'),
        ("plate_text == 'A'", "did you mean 'plate.text'?"),
        ("normalizedText == 'A'", "did you mean 'plate.normalized_text'?"),
        ("length(tags) > 1", "write size(x)"),
        ("tags.any(t, t == 'a')", "write list.exists(item, condition)"),
        ("upper(camera_id) == 'A'", "write text.upperAscii()"),
        ("not (is_test)", "write '!'"),
        ("similar_to(camera_id, 'A')", 'write similar(plate.normalized_text, "ABC123")'),
        (
            "levenshtein(camera_id, 'A') < 2",
            'write likeness(plate.normalized_text, "ABC123") > 0.9',
        ),
        ("nearest(camera_id)", 'write closest(watchlist("stolen"), plate.normalized_text)'),
        ("camera_id.qqq()", "`alert-engine help rules` tells all functions"),
        ("camera_id() == 'a'", "a field has no brackets: write camera_id"),
        ("plate.text() == 'a'", "a field has no brackets: write plate.text"),
        ("plate.text.lowerAscii == 'a'", "a function has brackets: write lowerAscii()"),
        ("time.hour > 5", 'write getHours("Europe/Berlin")'),
        ("camera_id.getHours() > 5", "write timestamp(x).getHours(…), or `time` for the event's"),
        ("camera_id.matches('[0-9')", "close it with ], or write \\[ for the sign itself"),
        ("camera_id.matches('*a')", "write .* for anything, or \\* for the sign itself"),
        ("camera_id.matches('a{2000}')", "ask for 1000 at most"),
        ("camera_id.matches('(?!a)')", "write !text.matches(…) in `when`"),
        ("camera_id.matches(r'\\Z')", "write \\z"),
        ("time.getHours('Europe/Berln') > 1", "did you mean 'Europe/Berlin'?"),
        ("time.getHours('Mars/Base') > 1", 'name a place, such as "Europe/Berlin"'),
        ("hour >= 22", 'write time.getHours("Europe/Berlin")'),
        ("Weekday == 1", 'write time.getDayOfWeek("Europe/Berlin")'),
        ("hour(time) >= 22", 'write time.getHours("Europe/Berlin")'),
        ("in_watchlist('a')", 'write x in watchlist("stolen")'),
        ("camera_id.isin(['a'])", "write x in [a, b]"),
        ("camera_id.equals('a')", "compare with =="),
        ("isset(vehicle.color)", "write x != null"),
        ("sum(latency_ms) > 5", "a rule sees one reading at a time"),
        ("states('x') == 'on'", "fields are written as they are"),
        ("file('a.csv') == 'a'", "a list in a file is a watchlist"),
        ("camera_id.length > 5", "write size(x)"),
        ("time > timestamp('yesterday')", 'write it like "2025-12-24T18:00:00Z"'),
        ("time > timestamp('2025-12-24')", 'write the time of day too: "2025-12-24T00:00:00Z"'),
        ("time > timestamp('2025-12-24 18:00:00')", 'the zone is missing: write "2025-12-24T18'),
        ("time - time > duration('2d')", 'hours are the longest unit: write "48h"'),
        ("time - time > duration('90 minutes')", 'write "90m"'),
        ("time - time > duration('long')", 'write it like "1h30m" or "90s"'),
        ("int('x') > 1", 'write digits only, such as "15"'),
        ("bool('x')", 'write "true" or "false"'),
        ("double('x') > 1.0", 'write "1.5"'),
    ],
)
def test_what_was_meant_is_told(text: str, remedy: str) -> None:
    (problem,) = problems_of(text)
    assert remedy in problem.remedy


def test_a_pattern_that_is_wrong_in_another_way_is_to_be_corrected() -> None:
    assert remedy_of_regex("unheard of") == "correct the pattern, whose syntax is RE2's"


def test_nothing_is_said_of_a_name_that_means_nothing_anywhere() -> None:
    assert remedy_of_name("blorp", NEUTRAL) == remedy_of_function("blorp", NEUTRAL) == ""
    assert remedies.remedy_of_part("blorp") == ""


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("plate.confidence > '0.8'", "write 0.8 without quotes"),
        ("camera_id == 5", 'write "5" in quotes'),
        ("camera_id > 5", "convert one of them, double(x) for instance"),
        ("camera_id + latency_ms == 'a'", "make a text of the number: string(x)"),
        ("is_test == 'true'", "write true or false without quotes"),
        ("is_test == 1", "true and false compare with true and false only"),
        ("latency_ms + 1.5 > 2.0", "convert one of them: double(x)"),
        ("plate.confidence * 2 > 1.0", "write 2.0"),
        ("time > '2025-12-25T16:00:00Z'", "read the text as a time"),
        ("time - time > 60", 'write a span as duration("90s")'),
        ("time + 60 > time", 'write a span as duration("90s"), a time as timestamp("…")'),
        ("time - time > '1h'", 'read the text as a span: duration("90m")'),
        ("time > duration('1h')", "subtract a time from a time to get a span"),
        ("vehicle == 'Ford'", "name one of its fields: vehicle.make, vehicle.color"),
        ("camera_id == ['a']", "write x in [a, b], or compare one element: list[0]"),
        ("type(camera_id) == 'string'", "a type has no quotes: type(x) == string"),
        ("b'a' == camera_id", "a text has no b before its quotes"),
        ("is_test ? 1 : 'a'", 'write "1" in quotes'),
        ("is_test ? latency_ms : 'a'", "make a text of the number: string(x)"),
        ("is_test ? 1 : 0.5", "write 1.0"),
        ("0.3 < plate.confidence < 0.7", "write 0.3 < plate.confidence && plate.confidence < 0.7"),
        ("'A' in 'ABC'", 'write in ["ABC"]'),
        ("'A' in camera_id", "write text.contains(part)"),
        ("camera_id.contains(7)", 'write "7" in quotes'),
        ("camera_id.contains(latency_ms)", "convert it: string(x)"),
        ("camera_id && true", 'compare it with something, x == "…" for instance'),
        ("vehicle.make && true", "compare it with something, x != null for instance"),
        ("null && true", "write false, or compare a field with null"),
        ("!camera_id == 'a'", "put brackets around what is denied: !(…), or write !="),
        ("-camera_id == 'a'", "it takes an int or a double"),
        ("-uint(latency_ms) == 1u", "convert it: int(x)"),
        ("'plate.text' == 'A'", "a field's name has no quotes: plate.text"),
        ("latency_ms == 1.5", "compare by < or >, or with a whole number"),
        ("camera_id in []", "write values into it"),
        ("plate == vehicle", "name one of its fields: plate.text"),
        ("camera_id == null", 'an empty text is == ""'),
        ("latency_ms == null", "remove the comparison"),
    ],
)
def test_what_to_write_is_told(text: str, remedy: str) -> None:
    (found,) = remedies_of(text)
    assert remedy in found


@pytest.mark.parametrize("sign", _SIGNS)
def test_no_two_operands_are_refused_without_a_remedy(sign: str) -> None:
    for left in _OPERANDS:
        for right in _OPERANDS:
            text = f"{left} {sign} {right}"
            assert all(remedies_of(text)), text


def test_no_call_index_or_macro_is_refused_without_a_remedy() -> None:
    forms = [
        "!{0}", "-{0}", "{0}[0]", "{0}['a']", "{0}.a", "{0}.size()", "size({0})", "{0}.lower()",
        "{0}.contains('a')", "'a'.contains({0})", "{0}.getHours()", "time.getHours({0})",
        "int({0})", "timestamp({0})", "duration({0})", "{0}.all(x, x)", "{0}.map(x, -x)",
        "{0} ? 1 : 2", "is_test ? {0} : 'a'", "{{1: {0}}}", "{{{0}: 1}}", "{0}.join()", "{0}()",
        "[{0}, 1][0] + 1", "{0}.split(',')", "'%s'.format({0})", "math.greatest({0})", "f({0})",
    ]  # fmt: skip
    for form in forms:
        for operand in _OPERANDS:
            text = form.format(operand)
            assert all(remedies_of(text)), text


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Europe/Muenchen", "Europe/Berlin"),
        ("Europe/München", "Europe/Berlin"),
        ("Munich", "Europe/Berlin"),
        ("Europe/Hamburg", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("europe / berlin", "Europe/Berlin"),
        ("Germany/Berlin", "Europe/Berlin"),
        ("America/NewYork", "America/New_York"),
        ("America/Boston", "America/New_York"),
        ("US/Miami", "America/New_York"),
        ("San Francisco", "America/Los_Angeles"),
        ("Europe/Zürich", "Europe/Zurich"),
        ("America/São Paulo", "America/Sao_Paulo"),
        ("Asia/Bangalore", "Asia/Kolkata"),
        ("CEST", "Europe/Berlin"),
        ("pdt", "America/Los_Angeles"),
        ("UTC+1", "+01:00"),
        ("GMT-5", "-05:00"),
        ("utc +05:30", "+05:30"),
    ],
)
def test_the_zone_of_a_place_is_suggested(name: str, zone: str) -> None:
    assert remedy_of_zone(name) == f"did you mean '{zone}'?"


@pytest.mark.parametrize("name", ["Mars/Base", "Europe/Nowhere", "America/Berlingen", "", "local"])
def test_a_similar_name_of_another_place_is_not_suggested(name: str) -> None:
    assert remedy_of_zone(name) == GENERAL


def test_every_zone_that_is_suggested_exists() -> None:
    assert all(ZoneInfo(zone) for zone in {*_CITIES, *_ZONE_ABBREVIATIONS.values()})
