"""Rules on watchlists through the index: as few candidates as there can be, and none lost."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ExpressionError
from engine.event import Event
from engine.match import IndexedMatcher
from engine.match.index import CROWD
from engine.match.keyring import Keyring
from engine.match.necessary import needs_of
from engine.match.needs import Anything, Atom, Every, Listed, Some
from engine.match.points import LONG, MAX_PROBES, lists_step
from engine.rules import Rule
from tests.unit.cel.lowering.lowered import closures, outcome
from tests.unit.cel.plate_lists import compiled, watchlist
from tests.unit.cel.plate_variables import NOON
from tests.unit.match.look_ups import found, plain
from tests.unit.match.random_rules import CONDITIONS, a_rule, events
from tests.unit.match.test_indexed import SLICE, assert_same
from tests.unit.match.test_necessary import assert_met
from tests.unit.watchlist.list_files import good

PLATE = "plate.normalized_text"
ON = f'{PLATE} in watchlist("{{}}")'
ROW = f'watchlist("{{}}")[{PLATE}]'
PLATES = ("ABC123", "AB12", "12", "XAB", "1", "NONE", "ABC", "")
TIMES = (NOON, NOON + timedelta(minutes=5), NOON - timedelta(days=2))


def _pool() -> list[Event]:
    chance = random.Random(3)
    return [
        Event(
            {**each.values, "plate": {**each.values["plate"], "normalized_text": plate}},
            chance.choice(TIMES),
            b"",
        )
        for each in events(20, seed=3)
        for plate in PLATES
    ]


POOL = _pool()
KEYS = (
    PLATE, "plate.text", "plate.region", "lower(plate.text)", "plate.text.upperAscii()",
    "vehicle.make", "dyn(plate.normalized_text)", "string(latency_ms)", '"12"', "dyn(1)",
)  # fmt: skip
PARTS = st.one_of(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(("noted", "dated", "plain", "empty"))).map(
        lambda pair: f'{pair[0]} in watchlist("{pair[1]}")'
    ),
    st.tuples(
        st.sampled_from(("noted", "dated", "empty")),
        st.sampled_from(KEYS),
        st.sampled_from(
            ('.note == "x"', ".note == null", '.note.contains("a")', '.note != "ab"',
             '.note in ["ab", "today"]', ".valid_from == null", ".valid_until > time")
        ),
    ).map(lambda parts: f'watchlist("{parts[0]}")[{parts[1]}]{parts[2]}'),
    CONDITIONS,
)  # fmt: skip
LOGIC = st.recursive(
    PARTS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} && {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} || {two[1]})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda three: "({} ? {} : {})".format(*three)),
        inner.map(lambda one: f'["12", "AB12"].exists(q, q in watchlist("dated") && {one})'),
    ),
    max_leaves=5,
)


def test_rules_on_an_empty_list_alone_can_be_looked_up() -> None:
    rules = [
        a_rule("on", compiled(ON.format("empty"))),
        a_rule("off", compiled(f"!({ON.format('empty')})")),
    ]
    matcher = IndexedMatcher(rules)
    for event in POOL:
        assert [match.rule.rule_id for match in matcher.match(event)] == ["off"]


def a_listed_rule(name: str, text: str) -> Rule | None:
    """None where the check finds what always fails."""
    try:
        return a_rule(name, compiled(text))
    except ExpressionError:
        return None


@pytest.mark.parametrize("part", range(2))
@SLICE
@given(conditions=st.lists(LOGIC, min_size=6, max_size=6))
def test_the_index_changes_neither_matches_nor_errors(part: int, conditions: list[str]) -> None:
    rules = [a_listed_rule(f"r{number}", text) for number, text in enumerate(conditions)]
    assert_same([rule for rule in rules if rule is not None], POOL)


def need(text: str) -> object:
    return needs_of(compiled(text), Keyring())


def test_membership_needs_a_plate_of_the_list_and_never_null() -> None:
    plate = need(ON.format("noted"))
    assert isinstance(plate, Atom)
    assert plate.test == Listed(watchlist("noted"))
    assert not plate.or_null
    region = need('plate.region in watchlist("noted")')
    assert isinstance(region, Atom)
    assert not region.or_null
    lowered = need('lower(plate.region) in watchlist("noted")')
    assert isinstance(lowered, Atom)
    assert lowered.or_null


def test_whoever_is_not_on_a_list_is_anybody() -> None:
    assert isinstance(need(f"!({ON.format('noted')})"), Anything)
    assert isinstance(need(f"{ON.format('noted')} || is_test"), Some)


def test_one_list_that_is_asked_for_twice_is_one_need() -> None:
    on = ON.format("noted")
    both, either = need(f"{on} && {on}"), need(f"{on} || {on}")
    assert isinstance(both, Atom | Every)
    assert isinstance(both, Atom) or len(both.needs) == 1
    assert isinstance(either, Atom)


def test_rules_that_share_a_list_share_its_probe() -> None:
    rules = [a_rule(f"r{number}", compiled(ON.format("noted"))) for number in range(50)]
    matcher = IndexedMatcher(rules)
    assert list(matcher.describe()) == [
        "50 rules, of which 0 are evaluated on every event",
        PLATE,
        "    one of 4 plates of the watchlist noted: 50 rules",
    ]


def test_a_row_that_is_guarded_is_looked_up_by_its_list() -> None:
    text = f'{ON.format("dated")} && {ROW.format("dated")}.note == "now"'
    lines = list(IndexedMatcher([a_rule("a", compiled(text))]).describe())
    assert lines[0] == "1 rules, of which 0 are evaluated on every event"


def test_long_lists_are_asked_themselves_and_others_share_a_table(tmp_path: Path) -> None:
    many = "".join(f"M{number}\n" for number in range(LONG))
    counts = {"short": 3 * MAX_PROBES, "long": MAX_PROBES + 2}
    lists = [
        good(tmp_path, f"plate\nALL1\nP{name}{number}\n{many * (name == 'long')}")
        for name, count in counts.items()
        for number in range(count)
    ]
    step, size = lists_step([(each, number) for number, each in enumerate(lists)], plain)
    assert size == sum(len(each.plates) for each in lists)
    assert found("ALL1", step) == list(range(len(lists)))
    assert found("M7", step) == list(range(counts["short"], len(lists)))
    assert found("PSHORT5", step) == [5]
    assert found("PLONG5", step) == [counts["short"] + 5]
    assert found("NONE", step) == []


def test_a_list_in_the_table_and_in_a_probe_may_have_the_same_rule(tmp_path: Path) -> None:
    one = good(tmp_path, "plate\nA1\n", name="1.csv")
    two = good(tmp_path, "plate\nA1\nB1\n", name="2.csv")
    step, _ = lists_step([(one, 7), (two, 7), (one, 8)], plain)
    assert found("A1", step) == [7, 8]
    assert found("B1", step) == [7]


def test_a_crowd_of_rules_on_one_list_is_looked_up_by_what_else_they_need() -> None:
    cameras = sorted({event.values["camera_id"] for event in POOL})
    rules = [
        a_rule(f"r{number}", compiled(f'{ON.format(name)} && camera_id == "{camera}"'))
        for number, (name, camera) in enumerate(
            (name, camera) for name in ("dated", "noted") for camera in cameras[:20] * 2
            if camera.isprintable() and '"' not in camera and camera.isascii()
        )
    ]  # fmt: skip
    assert len(rules) > 2 * CROWD
    assert_same(rules, POOL)


@SLICE
@given(texts=st.lists(LOGIC, min_size=6, max_size=6))
def test_every_event_on_which_a_condition_is_not_false_meets_its_need(texts: list[str]) -> None:
    for text in texts:
        rule = a_listed_rule("r", text)
        if rule is not None:
            assert_met(rule.condition, POOL)


@SLICE
@given(texts=st.lists(LOGIC, min_size=6, max_size=6))
def test_generated_functions_give_what_closures_give(texts: list[str]) -> None:
    for text in texts:
        rule = a_listed_rule("r", text)
        if rule is None:
            continue
        exact = closures(rule.condition)
        for event in POOL[::3]:
            wanted = outcome(exact, event.bindings)
            assert outcome(rule.condition.run, event.bindings) == wanted, text
