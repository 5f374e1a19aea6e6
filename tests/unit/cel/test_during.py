"""`during("name")` in expressions and templates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.cel import Expression, compile_expression, compile_template
from engine.cel.check.intervals import Intervals
from engine.errors import ExpressionError, Problem
from engine.intervals import Pattern, TimeInterval
from engine.schema import Kind
from tests.unit.cel.plate_variables import VARIABLES, event

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = TimeInterval("night", (Pattern(BERLIN, times=((22 * 60, 5 * 60),)),))
WEEKEND = TimeInterval("week end", (Pattern(BERLIN, weekdays=frozenset({5, 6})),))
#: Saturday, 1 a.m. in Berlin.
LATE = datetime(2026, 7, 3, 23, tzinfo=UTC)
NOON = datetime(2026, 7, 3, 12, tzinfo=UTC)


def intervals(*, is_whole: bool = True) -> Intervals:
    known = {"night": NIGHT, "week end": WEEKEND, "broken": None}
    return Intervals(known, is_whole=is_whole)


def compiled(text: str, known: Intervals | None = None) -> Expression:
    return compile_expression(text, VARIABLES, intervals=known or intervals())


def problem(text: str, known: Intervals | None = None) -> Problem:
    with pytest.raises(ExpressionError) as caught:
        compiled(text, known)
    (found,) = caught.value.problems
    return found


def test_it_is_true_inside_of_the_interval_and_false_outside() -> None:
    night = compiled('during("night")')
    assert night.type is not None
    assert (night.type.kind, night.is_nullable, night.warnings) == (Kind.BOOL, False, ())
    assert night.evaluate(event(time=LATE)) is True
    assert night.evaluate(event(time=NOON)) is False


def test_it_reads_the_time_of_the_event() -> None:
    assert compiled('during("night") && is_test').fields == {"time", "is_test"}


@pytest.mark.parametrize(
    "text",
    [
        'during("night")',
        '!during("night")',
        'during("night") == true',
        'during("night") || during("week end")',
        'during("week end") && !during("night")',
        'during("night") ? camera_id == "cam-1" : false',
        '[during("night"), is_test].exists(x, x)',
        '["a", "b"].all(time, during("night") && time != "c")',
        'cel.bind(time, "a", during("night") && time == "a")',
        'string(during("night")) == "true"',
        '{"at": during("night")}.at',
        'time - duration("1h") < time && during("night")',
    ],
)
def test_interpreter_and_generated_code_agree_on_it(text: str) -> None:
    expression = compiled(text)
    assert expression.fallback == ""
    for hours in range(72):
        bindings = event(time=NOON + timedelta(hours=hours))
        assert expression.run(bindings) == expression.interpreter(bindings)


def test_a_macros_variable_does_not_hide_the_events_time() -> None:
    hidden = compiled('["a"].all(time, during("night"))')
    assert hidden.evaluate(event(time=LATE)) is True
    assert hidden.evaluate(event(time=NOON)) is False


def test_it_is_shown_as_it_is_written() -> None:
    assert compiled('!during("week end")').cel == '!during("week end")'


def test_a_message_may_ask_for_it() -> None:
    text = '{during("night") ? "by night" : "by day"}'
    template = compile_template(text, VARIABLES, intervals=intervals())
    assert template.render(event(time=LATE)) == ("by night", 0)


def test_an_unknown_interval_is_an_error_with_the_nearest_name() -> None:
    found = problem('is_test && during("nigth")')
    assert (found.code, found.offset) == ("unknown-interval", 18)
    assert found.what == "there is no time interval 'nigth'"
    assert found.remedy == "did you mean 'night'?"


def test_without_any_interval_the_remedy_is_to_define_it() -> None:
    assert problem('during("night")', Intervals({})).remedy == "define it under `time_intervals:`"


@pytest.mark.parametrize("call", ["during()", "during(camera_id)", 'during("a", "b")', "during(1)"])
def test_it_takes_one_name_written_out(call: str) -> None:
    found = problem(call)
    assert found.what == "during() takes the name of a time interval, written out"
    assert found.remedy == 'write during("night")'


def test_a_bare_name_of_an_interval_is_told_how_to_ask_for_it() -> None:
    assert problem("night && is_test").remedy == 'write during("night")'


def test_an_unusable_interval_is_not_reported_twice() -> None:
    assert compiled('during("broken")').warnings == ()


def test_an_interval_may_be_in_a_file_that_cannot_be_read() -> None:
    assert compiled('during("elsewhere")', intervals(is_whole=False)).warnings == ()


def test_names_that_expressions_use_are_collected() -> None:
    known = intervals()
    compiled('during("night")', known)
    assert known.used == {"night"}
