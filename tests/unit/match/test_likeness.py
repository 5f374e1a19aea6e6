"""Rules on how alike plates are through the index: as few candidates as can be, and none lost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ExpressionError
from engine.match import IndexedMatcher
from engine.match.keys import Keyring
from engine.match.look_up import LONG as LONG_LIST
from engine.match.look_up import similar_lists_steps, similar_steps
from engine.match.matcher import CROWD, Index
from engine.match.necessary import needs_of
from engine.match.needs import (
    NOTHING,
    Anything,
    Atom,
    Every,
    Need,
    Similar,
    SimilarListed,
    Some,
    atoms_of,
)
from engine.rules import Rule
from engine.watchlist.costs import standard_costs
from engine.watchlist.likeness import likeness
from tests.support.random_cases import examples
from tests.unit.match.likeness_rules import CONDITIONS, PLATE, READINGS, compiled, lists, pool
from tests.unit.match.look_ups import found, plain
from tests.unit.match.random_rules import a_rule
from tests.unit.match.test_indexed import LONG, assert_same
from tests.unit.match.test_necessary import assert_met
from tests.unit.watchlist.list_files import good

POOL = pool(60, seed=5)
SETS = st.lists(CONDITIONS, min_size=6, max_size=6)
FEW = examples(8)
LISTED = 'similar({}, watchlist("misread"))'


def need(text: str) -> Need:
    return needs_of(compiled(text), Keyring())


def atom(text: str) -> Atom:
    """The only need of a condition."""
    found = need(text)
    assert isinstance(found, Atom), found
    return found


def rules_of(conditions: Sequence[str]) -> list[Rule]:
    """The rules of those conditions that the check takes."""
    rules = []
    for number, text in enumerate(conditions):
        try:
            rules.append(a_rule(f"r{number}", compiled(text)))
        except ExpressionError:
            continue
    return rules


@FEW
@given(conditions=SETS)
def test_the_index_changes_neither_matches_nor_errors(conditions: list[str]) -> None:
    rules = rules_of(conditions)
    # Several of each, so that their likeness is worth a look-up.
    assert_same([rule for rule in rules for _ in range(4)], POOL[::2])
    for rule in rules:
        assert_met(rule.condition, POOL[1::4])


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@LONG
@given(conditions=SETS, seed=st.integers(0, 1_000))
def test_the_index_changes_nothing_in_a_long_run(conditions: list[str], seed: int) -> None:
    rules, events = rules_of(conditions), pool(60, seed)
    assert_same(rules, events)
    # Many rules of each condition, so that all keys are worth their reading and crowds form.
    assert_same([rule for rule in rules for _ in range(CROWD)], events[::4])
    for rule in rules:
        assert_met(rule.condition, events)


def plates(need: Atom) -> dict[str, float]:
    """The plates of a test, with their thresholds."""
    assert isinstance(need.test, Similar)
    return dict(need.test.plates)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f'similar({PLATE}, "abc-123")', {"ABC123": 0.9}),
        (f'similar({PLATE}, "ABC123", 0.95)', {"ABC123": 0.95}),
        (f'similar({PLATE}, ["ABC123", "XYZ789"])', {"ABC123": 0.9, "XYZ789": 0.9}),
        (f'!!similar({PLATE}, "ABC123")', {"ABC123": 0.9}),
        (f'["AB1", "W1"].exists(p, similar({PLATE}, p))', {"AB1": 0.9, "W1": 0.9}),
        (f'likeness({PLATE}, "ABC123") >= 0.9', {"ABC123": 0.9}),
        (f'likeness("ABC123", {PLATE}) > 0.9', {"ABC123": 0.9}),
        (f'0.95 <= likeness({PLATE}, "ABC123")', {"ABC123": 0.95}),
        (f'!(likeness({PLATE}, "ABC123") < 0.95)', {"ABC123": 0.95}),
        # Not rounded up: what is just enough would be lost.
        (f'likeness({PLATE}, "ABC123") >= 0.91666', {"ABC123": 0.9166}),
    ],
)
def test_a_plate_is_looked_up_with_its_threshold(text: str, wanted: dict[str, float]) -> None:
    found = atom(text)
    assert plates(found) == wanted
    assert (found.key.text, found.or_null, found.or_failed) == (PLATE, False, False)


@pytest.mark.parametrize(
    "text",
    [
        'similar({}, watchlist("misread"))', 'closest(watchlist("misread"), {}) != null',
        '!(closest(watchlist("misread"), {}) == null)',
        'closest(watchlist("misread"), {}).note == "always"',
        'closest(watchlist("misread"), {}).note in ["now", "always"]',
        'has(closest(watchlist("misread"), {}).note)',
        '["AB1", "W1"].exists(time, closest(watchlist("misread"), {}).plate == time)',
        'cel.bind(c, closest(watchlist("misread"), {}), c != null && c.likeness > 0.95)',
        '{0} != null && !{0}.is_ambiguous'.replace("{0}", 'closest(watchlist("misread"), {0})'),
    ],
)  # fmt: skip
def test_a_list_is_looked_up_where_no_like_plate_would_not_do(text: str) -> None:
    whole = need(text.format(PLATE))
    found = whole.needs[0] if isinstance(whole, Every) else whole
    assert isinstance(found, Atom)
    assert found.test == SimilarListed(lists()["misread"], None)
    assert (found.key.text, found.or_null, found.or_failed) == (PLATE, False, False)


@pytest.mark.parametrize(
    "text",
    [
        'closest(watchlist("misread"), {}) == null',
        'closest(watchlist("misread"), {}).note == null',
        # It fails where there is none, and that is an error of the rule.
        'closest(watchlist("misread"), {}).likeness > 0.95',
        'closest(watchlist("misread"), {}).is_ambiguous',
        'tags.exists(t, closest(watchlist("misread"), t) != null)',
        '!similar({}, watchlist("misread"))',
        '!similar({}, "ABC123")',
        'likeness({}, "ABC123") < 0.9',
        'likeness({}, "ABC123") > 0.5',
        'similar({}, "ABC123", 0.8)',
        "similar({}, plate.text)",
    ],
)
def test_what_is_met_by_most_is_not_looked_up_by_likeness(text: str) -> None:
    found = need(text.format(PLATE))
    assert not any(isinstance(each.test, Similar | SimilarListed) for each in atoms_of(found))
    assert not isinstance(found, Anything) or found.reason


def test_null_fails_for_a_plate_and_is_like_none_of_a_list() -> None:
    assert atom('similar(plate.region, "ABC123")').or_null
    assert not atom(LISTED.format("plate.region")).or_null
    assert atom(LISTED.format("lower(plate.region)")).or_null
    guarded = need('plate.region != null && similar(plate.region, "ABC123")')
    assert isinstance(guarded, Every)
    assert not any(each.or_null for each in atoms_of(guarded))


@pytest.mark.parametrize("asked", ['"ABC123"', 'watchlist("misread")'])
def test_what_is_no_text_gives_what_every_rule_gives(asked: str) -> None:
    text = f"similar(dyn(latency_ms), {asked})"
    rules = [a_rule(f"r{number}", compiled(text)) for number in range(20)]
    matcher = IndexedMatcher(rules)
    assert next(matcher.describe()) == "20 rules, of which 0 are evaluated on every event"
    assert_same(rules, POOL[:5])


def test_what_can_be_no_plate_needs_what_no_event_has() -> None:
    assert need('similar("ABC124", "XYZ789")') == NOTHING


def test_a_list_with_two_thresholds_is_two_needs() -> None:
    both = need(f'{LISTED.format(PLATE)} || similar({PLATE}, watchlist("misread"), 0.95)')
    assert isinstance(both, Some)
    assert [each.test for each in atoms_of(both)] == [
        SimilarListed(lists()["misread"], None), SimilarListed(lists()["misread"], 0.95)
    ]  # fmt: skip
    assert atom(f"{LISTED.format(PLATE)} || {LISTED.format(PLATE)}")


def test_plates_of_all_rules_are_found_as_the_likeness_says() -> None:
    """Against each plate's own likeness: with these thresholds none more is found, and no less."""
    costs, chance = standard_costs(), random.Random(9)
    own = [
        (chance.choice(READINGS[:21]), chance.choice((0.84, 0.9, 0.95, 1.0))) for _ in range(200)
    ]
    steps = similar_steps(
        [(Similar(costs, frozenset({pair})), number) for number, pair in enumerate(own)], plain
    )
    total = 0
    for reading in READINGS:
        wanted = [
            number
            for number, (plate, threshold) in enumerate(own)
            if likeness(reading, plate, costs) >= threshold
        ]
        assert found(reading, *steps) == wanted, reading
        total += len(wanted)
    assert total > 200


def test_each_list_is_asked_with_each_threshold(tmp_path: Path) -> None:
    misread, patterns = lists()["misread"], lists()["patterns"]
    long = good(
        tmp_path, "".join(f"LONG{number}\n" for number in range(LONG_LIST)), name="long.txt"
    )
    tests = [
        SimilarListed(misread, None),
        SimilarListed(misread, 1.0),
        SimilarListed(patterns, None),
        SimilarListed(misread, None),
        SimilarListed(long, None),
        SimilarListed(long, 0.99),
    ]
    rules = [(test, number) for number, test in enumerate(tests)]
    steps = similar_lists_steps(rules, plain)
    assert len(steps) == 2
    for value in READINGS:
        wanted = [
            number
            for number, test in enumerate(tests)
            if test.watchlist.may_be_similar(value, test.threshold)
        ]
        assert found(value, *steps) == wanted, value
    assert found("A8C123", *steps) == [0, 1, 2, 3]
    assert found("XX789", *steps) == [2]
    assert found("L0NG777", *steps) == [4]
    assert found("LONG777", *steps) == [4, 5]


def test_the_index_says_what_it_looks_up() -> None:
    texts = [
        *(f'similar({PLATE}, "ABC12{digit}")' for digit in range(5)),
        LISTED.format("plate.text"),
        LISTED.format("plate.text"),
        f'similar({PLATE}, "ABC123", 0.8)',
    ]
    assert list(IndexedMatcher(rules_of(texts)).describe()) == [
        "8 rules, of which 1 is evaluated on every event",
        PLATE,
        "    like one of 5 plates: 5 rules",
        "plate.text",
        "    like one of 8 plates of the watchlist misread: 2 rules",
        "on every event",
        "    r7: a likeness below 0.84 is not looked up",
    ]


def test_to_compare_with_few_plates_is_cheaper_than_to_look_them_up() -> None:
    texts = [f'similar({PLATE}, "ABC123")', f'similar({PLATE}, "XYZ789")']
    (head, *_) = IndexedMatcher(rules_of(texts)).describe()
    assert head == "2 rules, of which 2 are evaluated on every event"
    plates = ", ".join(f'"ABC{number}"' for number in range(100, 120))
    (head, *_) = IndexedMatcher(rules_of([f"similar({PLATE}, [{plates}])"])).describe()
    assert head == "1 rules, of which 0 are evaluated on every event"


def test_a_camera_is_looked_up_before_a_likeness() -> None:
    needs = [need(f'camera_id == "c{number}" && {LISTED.format(PLATE)}') for number in range(9)]
    (first, *_) = Index(needs).describe()
    assert first == "camera_id"
