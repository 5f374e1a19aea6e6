"""Rules on watchlists through the index: as few candidates as there can be, and none lost."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EvaluationError, ExpressionError
from engine.match import IndexedMatcher
from engine.match.keys import Keyring
from engine.match.look_up import LONG, MAX_PROBES, lists_step
from engine.match.matcher import CROWD
from engine.match.necessary import needs_of
from engine.match.needs import Anything, Atom, Every, Listed, Some, atoms_of
from engine.rules import Rule
from engine.schema.event import Event
from tests.unit.cel.lower.lowered import outcome
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
PLATES = (
    "ABC123", "AB12", "12", "XAB", "1", "NONE", "ABC", "", "abc-123", "x a b", "-1-2-", "-",
)  # fmt: skip
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
    '"abc-123"', 'plate.normalized_text + "-"', "dyn(latency_ms)",
)  # fmt: skip
NAMES = ("noted", "dated", "plain", "states", "terms", "wild")
#: What may be asked of all rows of a key: conditions, of which `{}` is the list and the key.
OF_ROWS = (
    '{}.exists(r, r.state == "FL")',
    "{}.exists(r, r.state == camera_id)",
    "{}.all(r, r.state != null)",
    "{}.all(r, r.state == plate.region)",
    '{}.exists_one(r, r.state == "GA")',
    '{}.exists(r, r.state.contains("a"))',
    '{}.filter(r, r.state == "GA").size() == 1',
    '{}.filter(r, r.state == "GA").exists(s, s.valid_until == null)',
    "size({}) > 0",
    "{}.size() != 1",
    "size({}) < 2",
    "0 < {}.size()",
    "size({}) == latency_ms",
    "{} != []",
    "{} == []",
    '"FL" in {}.map(r, r.state)',
    "plate.text in {}.map(r, r.state)",
    '{}.map(r, r.state) == ["vip", "vip"]',
    '{}.map(r, r.state + "x") != []',
    '{}[0].state == "GA"',
    '{}[1].state in ["FL", "ab"]',
    "has({}[0].valid_until)",
    '(is_test ? {0} : []).exists(r, r.state == "FL")',
    '(size({0}) > 1 ? {0}[1].state : camera_id) == "FL"',
    "cel.bind(k, {}, k.size() > 1 && k[1].state != null)",
    "{0}.exists(r, {0}.exists(s, s.state != r.state))",
    "{}.exists(r, r.valid_until == null || r.valid_until > time)",
    '["FL", "GA"].exists(x, {}.exists(r, r.state == x))',
    "tags.exists(t, {}.exists(r, r.state == t))",
    '["a", "ab"].all(camera_id, {}.all(r, r.state != camera_id))',
    "{}.exists(time, time.state == plate.text)",
    "{}.all(r, false)",
    "{}.exists(r, dyn(r.state))",
)
PARTS = st.one_of(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(NAMES)).map(
        lambda pair: f'{pair[0]} in watchlist("{pair[1]}")'
    ),
    st.tuples(
        st.sampled_from(OF_ROWS),
        st.sampled_from(("states", "terms", "empty", "wild")),
        st.sampled_from(KEYS),
    ).map(lambda parts: parts[0].format(f'watchlist("{parts[1]}").rows({parts[2]})')),
    st.sampled_from(KEYS).map(
        lambda key: f'["12", {key}].exists(q, watchlist("terms").rows(q).size() > 1)'
    ),
    st.tuples(
        st.sampled_from(("noted", "dated", "empty", "wild")),
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
        assert [match.rule.rule_id for match in matcher.match(event).matches] == ["off"]


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


@pytest.mark.parametrize(
    "text",
    [
        '{}.exists(r, r.state == "FL")', "{}.exists(r, r.state == camera_id)",
        '{}.exists_one(r, r.state == "FL")', "size({}) > 0", "{}.size() >= 1", "size({}) == 2",
        "{} != []", "!({} == [])", '"FL" in {}.map(r, r.state)',
        '!{}.all(r, r.state == "FL")', '{}.filter(r, r.state == "FL") != []',
        'cel.bind(all, {}, all.exists(r, r.state == "FL"))',
        "{0}.exists(r, {0}.exists(s, r.state != s.state))",
        '["FL", "GA"].exists(x, {}.exists(r, r.state == x))',
        "{}.exists(r, tags.exists(t, t == r.state))",
    ],
)  # fmt: skip
def test_rows_need_a_plate_of_the_list_where_none_would_not_do(text: str) -> None:
    found = need(text.format(f'watchlist("states").rows({PLATE})'))
    assert isinstance(found, Atom)
    assert (found.key.text, found.test) == (PLATE, Listed(watchlist("states")))
    assert not found.or_null


@pytest.mark.parametrize(
    "text",
    [
        '{}.all(r, r.state == "FL")', '!{}.exists(r, r.state == "FL")', "size({}) == 0",
        "size({}) < 2", "{} == []", '{}[0].state != "FL"', 'tags.exists(t, {}.all(r, true))',
        'tags.exists(t, watchlist("states").rows(t).exists(r, r.state == "FL"))',
        # The name of a macro hides the field.
        'tags.exists(camera_id, watchlist("states").rows(camera_id).exists(r, r.state == "FL"))',
    ],
)  # fmt: skip
def test_rows_need_no_plate_of_the_list_where_none_would_do(text: str) -> None:
    rows = f'watchlist("states").rows({PLATE})'
    needed = need(text.format(rows))
    assert not any(
        isinstance(atom.test, Listed)
        for atom in atoms_of(needed)  # type: ignore[arg-type]
    )


def test_rows_beside_something_else_need_one_of_both() -> None:
    rows = f'watchlist("states").rows({PLATE})'
    found = need(f'{rows}.exists(r, r.state == "FL") || camera_id == "x"')
    assert isinstance(found, Some)
    assert len(found.needs) == 2


def test_rows_of_a_computed_key_may_fail_with_it() -> None:
    found = need('watchlist("states").rows(lower(plate.region)).exists(r, r.state == "FL")')
    assert isinstance(found, Atom)
    assert found.or_null
    found = need('watchlist("states").rows(string(1 / latency_ms)) != []')
    assert isinstance(found, Atom)
    assert found.or_failed


def test_a_text_that_is_not_normal_finds_its_rules() -> None:
    rows = f'watchlist("states").rows({PLATE}).exists(r, r.state == "FL")'
    rules = [a_rule("on", compiled(ON.format("states"))), a_rule("rows", compiled(rows))]
    matcher = IndexedMatcher(rules)
    assert next(matcher.describe()) == "2 rules, of which 0 are evaluated on every event"
    values = POOL[0].values
    for text, wanted in (("abc-123", ["on", "rows"]), ("a b-12", ["on"]), ("abc-124", [])):
        plate = {**values["plate"], "normalized_text": text}
        event = Event({**values, "plate": plate}, NOON, b"")
        assert [match.rule_id for match in matcher.match(event).matches] == wanted


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
    assert size == sum(each.plate_count for each in lists)
    assert found("ALL1", step) == list(range(len(lists)))
    assert found("M7", step) == list(range(counts["short"], len(lists)))
    assert found("PSHORT5", step) == [5]
    assert found("PLONG5", step) == [counts["short"] + 5]
    assert found("NONE", step) == []
    for text in ("all-1", " All 1"):
        assert found(text, step) == list(range(len(lists)))
    assert found(b"ALL1", step) == []


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
def test_generated_functions_give_what_the_interpreter_gives(texts: list[str]) -> None:
    for text in texts:
        rule = a_listed_rule("r", text)
        if rule is None:
            continue
        for event in POOL[::3]:
            wanted = outcome(rule.condition.interpreter, event.bindings)
            assert outcome(rule.condition.run, event.bindings) == wanted, text


def test_a_plate_that_is_not_listed_costs_nothing_where_nothing_is_left() -> None:
    """What runs too long beside it is absorbed, so that the index may pass the rule over."""
    tens = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
    long = "".join(f"{tens}.all(x{number}, " for number in range(5)) + "is_test != true || x0 >= 0"
    text = f'{long}{")" * 5} && watchlist("states").rows({PLATE}).exists(r, r.state == "FL")'
    rule = a_rule("r", compiled(text))
    assert_same([rule], POOL[: len(PLATES)])
    missing = next(each for each in POOL if each.values["plate"]["normalized_text"] == "NONE")
    listed = next(each for each in POOL if each.values["plate"]["normalized_text"] == "ABC123")
    assert rule.condition.run(missing.bindings) is False
    with pytest.raises(EvaluationError):
        rule.condition.run(listed.bindings)


def test_a_macros_name_that_hides_a_field_is_not_looked_up_as_the_field() -> None:
    rows = 'watchlist("states").rows(camera_id)'
    text = f'["NONE", "ABC123"].exists(camera_id, {rows}.exists(r, r.state == "FL"))'
    assert all(atom.key.text != "camera_id" for atom in atoms_of(need(text)))  # type: ignore[arg-type]
    assert_same([a_rule("r", compiled(text))], POOL[: len(PLATES)])
    assert a_rule("r", compiled(text)).condition.run(POOL[0].bindings) is True
