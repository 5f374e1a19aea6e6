"""Message templates."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.cel import compile_template
from engine.cel.syntax.tokens import MAX_LENGTH
from engine.errors import ExpressionError, Problem
from engine.schema import FieldType, Kind
from tests.unit.cel.plate_variables import VARIABLES, event

RULE = FieldType(Kind.RECORD, fields={"id": FieldType(Kind.STRING), "name": FieldType(Kind.STRING)})
ALL = {**VARIABLES, "rule": RULE, "suppressed_count": FieldType(Kind.INT)}


def render(text: str, **changes: Any) -> tuple[str, int]:
    given = event(**changes) | {"rule": {"id": "r-1", "name": "Rule"}, "suppressed_count": 3}
    return compile_template(text, ALL).render(given)


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(ExpressionError) as caught:
        compile_template(text, ALL)
    return list(caught.value.problems)


def problem_of(text: str) -> Problem:
    (problem,) = problems_of(text)
    return problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plain 😀\n\nmore", "plain 😀\n\nmore"),
        ("", ""),
        ("{{{camera_id}}} {{}}", "{gate-1} {}"),
        ("{plate.confidence:.2%}", "95.00%"),
        ("{plate.confidence}", "0.95"),
        ("[{latency_ms:>6}]", "[    40]"),
        ("{latency_ms + 1}", "41"),
        ("{camera_id:^10}|{camera_id!='x'}", "  gate-1  |true"),
        ("{is_test:>7}", "  false"),
        ("{time}", "2025-12-25T12:30:00Z"),
        ("{time:%d.%m. %H:%M}", "25.12. 12:30"),
        ("{time:%-d %% %F}", "25 % 2025-12-25"),
        ("{time - timestamp('2025-12-25T12:00:00Z')}", "1800s"),
        ("{tags}", "[vip, night]"),
        ("{rule.id}/{rule.name}: {suppressed_count}", "r-1/Rule: 3"),
        ("{is_test ? 'yes' : 'no'}", "no"),
        ("{is_test ? 'yes' : 'no':>4}", "  no"),
        ("{{'a': 'b'}}", "{'a': 'b'}"),
        ("{ {'a}': 'b'}['a}'] }", "b"),
        ("{tags.map(t, '{' + t + '}')[0]}", "{vip}"),
        ('{"%s".format([camera_id])}', "gate-1"),
    ],
)
def test_placeholders_are_filled(text: str, message: str) -> None:
    assert render(text) == (message, 0)


def test_an_absent_value_is_empty_even_with_a_format() -> None:
    assert render("<{vehicle.color}{extras.quality_score:.2f}{extras.direction:>9}>") == ("<>", 0)


def test_a_placeholder_that_fails_is_a_question_mark_and_counted() -> None:
    assert render("{vehicle.color.size()} {camera_id} {tags[5]}") == ("? gate-1 ?", 2)


def test_a_format_that_fails_only_now_is_a_failure_too() -> None:
    assert render("{dyn(camera_id):.2f}|{dyn(latency_ms):.1f}") == ("?|40.0", 1)


def test_data_is_data() -> None:
    hostile = "{rule.name} {0.__class__} %s\r\nBcc: x"
    assert render("{camera_id}", camera_id=hostile) == (hostile, 0)


@pytest.mark.parametrize(
    ("text", "offset", "code"),
    [
        ("ab {plate.txt}", 10, "unknown-field"),
        ("😀 {plat.text}", 3, "unknown-name"),
        ("{camera_id", 0, "syntax"),
        ("{camera_id:>4", 0, "syntax"),
        ("a } b", 2, "syntax"),
        ("{}", 1, "syntax"),
        ("{ }", 1, "syntax"),
        ("{camera_id!r}", 10, "syntax"),
        ("{'open}", 1, "syntax"),
        ("{camera_id:.2f}", 11, "bad-format"),
        ("{latency_ms:%H}", 12, "bad-format"),
        ("{is_test:d}", 9, "bad-format"),
        ("{tags:>q}", 6, "bad-format"),
        ("{latency_ms:>{camera_id}}", 12, "bad-format"),
        ("{latency_ms:>99999999999}", 12, "bad-format"),
        ("{plate.confidence:.99999f}", 18, "bad-format"),
        ("{latency_ms:>\u0669\u0669\u0669\u0669\u0669}", 12, "bad-format"),
        ("{time:>20}", 6, "bad-format"),
        ("{time:.2f}", 6, "bad-format"),
        ("{time:%H:%Q}", 6, "bad-format"),
        ("{time:%}", 6, "bad-format"),
        ("{camera_id.__class__}", 11, "no-fields"),
        ("x" * (MAX_LENGTH + 1), 0, "too-long"),
        ("{" + "(" * 500 + "}", 65, "too-deep"),
    ],
)
def test_a_fault_has_its_place_in_the_template(text: str, offset: int, code: str) -> None:
    problem = problems_of(text)[0]
    assert (problem.offset, problem.code) == (offset, code)


def test_all_placeholders_are_checked() -> None:
    problems = problems_of("{plate.txt} and {plate.tex} and {latency_ms:s}")
    assert [problem.code for problem in problems] == [
        "unknown-field",
        "unknown-field",
        "bad-format",
    ]


def test_a_template_knows_what_it_reads_and_what_is_odd() -> None:
    template = compile_template("{plate.text}{vehicle.make + 'x'}", ALL)
    assert template.fields == {"plate.text", "vehicle.make"}
    assert [(warning.code, warning.offset) for warning in template.warnings] == [
        ("may-be-null", 21)
    ]
    assert compile_template("{vehicle.make}", ALL).warnings == ()


def test_a_format_is_checked_for_the_values_type() -> None:
    assert problem_of("{camera_id:.2f}").what.startswith("'.2f' is not a format for a string")
    assert render("{dyn(plate.confidence):.0%}")[0] == "95%"


def test_a_format_with_braces_is_one_fault() -> None:
    problem = problem_of("{latency_ms:{y}} and {camera_id}")
    assert (problem.offset, problem.code) == (12, "bad-format")
    assert "holds braces" in problem.what


def test_all_faults_of_a_placeholder_are_reported() -> None:
    problems = problems_of("{plate.txt == '}':{y}} {latency_ms:s}")
    assert [problem.code for problem in problems] == ["unknown-field", "bad-format", "bad-format"]


def test_a_time_format_of_a_text_leads_to_the_time() -> None:
    assert problem_of("{camera_id:%H:%M}").remedy == "write {time:%H:%M} for the event's instant"


@pytest.mark.parametrize(
    ("text", "offset", "what"),
    [
        ("{plate}", 1, "a whole record is shown with all its fields"),
        ("a {{ plate.text }}", 2, "doubled braces are shown as braces: {plate.text}"),
        ("{{camera_id}} {camera_id}", 0, "doubled braces are shown as braces: {camera_id}"),
        ("{1 / 0 == 1 || is_test}", 3, "'1 / 0' always fails: division by zero"),
    ],
)
def test_an_unlikely_placeholder_is_a_warning(text: str, offset: int, what: str) -> None:
    (warning,) = compile_template(text, ALL).warnings
    assert (warning.offset, warning.what) == (offset, what)
    assert warning.remedy


def test_braces_around_other_words_are_braces() -> None:
    for text in ("{{}}", "{{nothing}}", "{{{camera_id}}}", "{{'a': {camera_id}}}"):
        assert compile_template(text, ALL).warnings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{time}", "2025-12-25 13:30:00 CET"),
        ("{time:%d.%m. %H:%M}", "25.12. 13:30"),
        ("{time:%H:%M %Z}", "13:30 CET"),
        ("{time:%-d %% %F %T}", "25 % 2025-12-25 13:30:00"),
        ("{time + duration('4392h')}", "2026-06-26 14:30:00 CEST"),
        ("{dyn(time):%H:%M}", "13:30"),
        ("{is_test ? time : timestamp('2025-07-01T20:00:00Z')}", "2025-07-01 22:00:00 CEST"),
        ("{time - timestamp('2025-12-25T12:00:00Z')}", "1800s"),
        # CEL's own text of an instant is CEL's.
        ("{string(time)}", "2025-12-25T12:30:00Z"),
    ],
)
def test_moments_are_shown_in_the_zone_of_the_site(text: str, message: str) -> None:
    template = compile_template(text, ALL, zone=ZoneInfo("Europe/Berlin"))
    assert template.render(event()) == (message, 0)


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "Zulu"])
def test_a_site_in_utc_sees_moments_as_ever(zone: str) -> None:
    template = compile_template("{time} {time:%H:%M %Z}", ALL, zone=ZoneInfo(zone))
    assert template.render(event()) == ("2025-12-25T12:30:00Z 12:30 UTC", 0)


def test_a_moment_beyond_the_zones_years_is_shown_in_utc() -> None:
    text = "{timestamp('9999-12-31T23:59:59Z')} {timestamp('0001-01-01T00:00:00Z'):%H:%M}"
    for name in ("Asia/Tokyo", "America/New_York"):
        shown, failed = compile_template(text, ALL, zone=ZoneInfo(name)).render(event())
        assert failed == 0
        assert shown.startswith("9999-12-31 ")
