from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given

from engine.cel import Expression
from engine.cel.values.values import UInt
from engine.errors import EvaluationError, ExpressionError
from engine.match.keys import FAILED, ODD, Keyring
from engine.match.necessary import needs_of
from engine.match.needs import (
    NOTHING,
    Affixes,
    Anything,
    Atom,
    Every,
    Interval,
    Listed,
    Need,
    Parts,
    Points,
    Present,
    Similar,
    SimilarListed,
    Some,
    atoms_of,
)
from engine.schema.event import Event
from engine.watchlist import plate_of
from engine.watchlist.likeness import likeness
from tests.support.random_cases import examples
from tests.unit.cel.plate_variables import compiled
from tests.unit.match.random_rules import CONDITIONS, events, operator_conditions

POOL = events(250, seed=23)


def needs(text: str) -> Need:
    return needs_of(compiled(text), Keyring())


def shown(text: str) -> str:
    """The atoms of what a condition needs, in short."""
    return " ".join(sorted(map(_shown, atoms_of(needs(text)))))


def _shown(atom: Atom) -> str:
    marks = ("?" if atom.or_null else "") + ("!" if atom.or_failed else "")
    return f"{atom.key.text}:{type(atom.test).__name__}{marks}"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('plate.text == "A"', "plate.text:Points"),
        ('"A" == plate.region', "plate.region:Points"),
        ('plate.text in ["A", "B"]', "plate.text:Points"),
        ('plate.region in ["A", null]', "plate.region:Points?"),
        ("plate.region == null", "plate.region:Points?"),
        ('cel.bind(l, ["A"], l.exists(p, plate.text.startsWith(p)))', "plate.text:Affixes"),
        ('cel.bind(t, plate.text, t == "A" || t == "B")', "plate.text:Points"),
        (
            'cel.bind(r, plate.region, !(r == null) && r == "A")',
            "plate.region:Points plate.region:Present",
        ),
        ("plate.region != null", "plate.region:Present"),
        ("has(plate.region)", "plate.region:Present"),
        ("plate.confidence > 0.5", "plate.confidence:Interval"),
        ("0.5 > extras.quality_score", "extras.quality_score:Interval?"),
        ("!(plate.confidence > 0.5)", "plate.confidence:Interval"),
        ("is_test", "is_test:Points"),
        ("!is_test", "is_test:Points"),
        ('lower(plate.region).contains("x")', "lower(plate.region):Parts?"),
        ('plate.text.startsWith("x")', "plate.text:Affixes"),
        ('plate.text.matches("(?i)^AB")', "fold(plate.text):Affixes"),
        ('plate.text.matches("^AB")', "whole(plate.text):Affixes"),
        ('["A", "B"].exists(v, plate.text == v)', "plate.text:Points"),
        ('time.getHours("UTC") >= 22', 'time.getHours("UTC"):Interval?!'),
        ("double(plate.text) > 3.0", "double(plate.text):Interval?!"),
        (
            'plate.region != null && lower(plate.region) == "a"',
            "lower(plate.region):Points plate.region:Present",
        ),
        ('!(plate.region == null || plate.region.matches("a"))', "plate.region:Present"),
        (
            'is_test ? plate.text == "A" : plate.text == "B"',
            "is_test:Points is_test:Points plate.text:Points plate.text:Points",
        ),
    ],
)
def test_what_a_condition_is_looked_up_by(text: str, wanted: str) -> None:
    assert shown(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "false",
        "plate.confidence == 0.0 / 0.0",
        'plate.text == "A" && plate.text == "B"',
        "plate.confidence > 2.0 && plate.confidence < 1.0",
        "[].exists(v, v == plate.text)",
        "plate.text == null",
        '"a" == "b"',
    ],
)
def test_a_condition_that_never_holds_nor_fails_needs_what_no_event_has(text: str) -> None:
    assert needs(text) == NOTHING


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "is_test || 1 / 0 == 1",
        'plate.text != "A"',
        '!(plate.text in ["A"])',
        'plate.text == "A" || plate.confidence * 2.0 != 1.0',
        'tags.exists(t, t == "a")',
        "latency_ms == 9007199254740993",
        'plate.text < "M"',
        'plate.text.matches(".*")',
        "plate.confidence != 0.0 / 0.0",
        '!plate.text.contains("a")',
    ],
)
def test_a_condition_of_which_nothing_is_known_says_why(text: str) -> None:
    need = needs(text)
    is_whole = isinstance(need, Atom) and need.key.text.startswith("truth(")
    assert is_whole or (isinstance(need, Anything) and need.reason)


def test_a_list_macro_is_not_written_out_where_another_may_use_up_the_rounds() -> None:
    both = 'tags.all(t, t != "x") && ["A"].exists(v, plate.text == v)'
    assert isinstance(needs(both), Anything)


def meets(need: Need, event: Event) -> bool:
    """Whether an event meets a need, read as its words say."""
    match need:
        case Anything():
            return True
        case Every(needs):
            return all(meets(each, event) for each in needs)
        case Some(needs):
            return any(meets(each, event) for each in needs)
    value = need.key.read(event.bindings)
    if value is None or value is FAILED:
        return need.or_null if value is None else need.or_failed
    return value is ODD or _passes(need, value)


def _passes(atom: Atom, value: object) -> bool:
    match atom.test:
        case Points(values):
            return type(value) in (list, dict) or value in values
        case Listed(watchlist):
            return type(value) in (list, dict) or watchlist.may_be_on(plate_of(value))
        case Similar(costs, plates):
            return type(value) is not str or any(
                likeness(value, plate, costs) >= threshold for plate, threshold in plates
            )
        case SimilarListed(watchlist, threshold):
            return type(value) is not str or watchlist.may_be_similar(value, threshold)
        case Interval() as test:
            if type(value) not in (int, float, UInt):
                return True
            assert isinstance(value, int | float)
            if math.isnan(value):
                return test.with_nan
            above = value > test.low or (value == test.low and not test.is_low_open)
            return above and (value < test.high or (value == test.high and not test.is_high_open))
        case Affixes(pairs):
            return not isinstance(value, str) or any(
                value.startswith(begin) and value.endswith(end) for begin, end in pairs
            )
        case Parts(texts):
            return not isinstance(value, str) or any(text in value for text in texts)
        case Present():
            return True


def assert_met(expression: Expression, pool: Sequence[Event] | None = None) -> None:
    """Every event on which the expression is not false meets what it needs."""
    need = needs_of(expression, Keyring())
    for event in POOL if pool is None else pool:
        try:
            value = expression.evaluate(event.bindings)
        except EvaluationError as error:
            value = error
        assert value is False or meets(need, event), (expression.cel, event.values, need)


@pytest.mark.parametrize(
    "text",
    [
        # Not a number is not below, so it is not "not below" either way round.
        "!(plate.confidence < 1.0)",
        "!(1.0 >= plate.confidence)",
        "!(plate.confidence > 0.0 / 0.0)",
        # A whole number against a double is compared as a double.
        "latency_ms <= 9007199254740992.0",
        "latency_ms == 9007199254740992.0",
        "latency_ms in [9007199254740992.0]",
        # Functions fail on null, where a field is only unequal to it.
        "size(plate.region) != null",
        "double(plate.region) == null",
        "dyn(plate.region) != null",
        "type(plate.region) == null_type",
        # The failure of a ternary's condition is its own.
        'size(plate.region) > 3 ? plate.text == "a" : plate.text == "b"',
        # A long s and the Kelvin sign are letters to RE2.
        'plate.text.matches("(?i)^sk?$")',
        'plate.text.matches("(?i)k1")',
        'plate.text.matches("^a")',
        # A guard that does not guard what it seems to.
        'plate.region != null || lower(plate.region) == "a"',
        'vehicle.make != null && lower(plate.region) == "a"',
        "isNumber(plate.text) || double(plate.text) > 3.0",
        "!isNumber(plate.text) && double(plate.text) > 3.0",
        "isNumber(plate.region) && double(plate.text) > 3.0",
        # What has no order fails, even where no number would do.
        "dyn(plate.text) < 0.0 / 0.0",
        "dyn(plate.text) > 2 && dyn(plate.text) < 1",
        'dyn(latency_ms).matches("^ab$") || dyn(latency_ms).matches("(?i)^ab$")',
        'dyn(latency_ms).matches("a^b")',
        # What is neither true nor false is a failure.
        "dyn(latency_ms) && is_test",
        "dyn(plate.text) == true || !dyn(plate.text)",
        'dyn(plate.text) > 1 && plate.text != ""',
        'dyn(latency_ms).contains("a")',
        'tags == ["vip"] || tags == plate.text',
        'extras.seen == timestamp("2025-02-03T00:00:00Z")',
        "[null, 1].exists(v, v == extras.lane)",
        '["a", "vip"].exists_one(v, plate.text.startsWith(v))',
        '["a"].all(v, [v, "b"].exists(v, v == plate.text))',
    ],
)
def test_a_trap_catches_no_event(text: str) -> None:
    assert_met(compiled(text))


@examples(120)
@given(condition=CONDITIONS | operator_conditions())
def test_every_event_on_which_a_condition_is_not_false_meets_its_needs(
    condition: str | Expression,
) -> None:
    try:
        expression = compiled(condition) if isinstance(condition, str) else condition
    except ExpressionError:
        return
    assert_met(expression)
