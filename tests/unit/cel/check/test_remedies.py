"""What is written instead of names, functions and constants from elsewhere."""

from __future__ import annotations

import pytest

from engine.cel.check.remedies import remedy_of_function, remedy_of_name, remedy_of_regex
from engine.cel.syntax import remedies
from engine.cel.syntax.examples import NEUTRAL
from tests.unit.cel.plate_variables import problems_of


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
