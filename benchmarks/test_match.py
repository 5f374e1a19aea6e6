"""Matching one event against the sets of `alert-engine bench`, beside the ways of others.

One group for each set, so that its table shows the ratios: the engine's matchers (with an index in
front, and each rule in turn), a plain Python scan like the running system's, and other libraries
for CEL, which evaluate each rule in turn. All give the same matches, which is asserted before
anything is measured. Each is measured up to a size that it gets through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import Measurement
from benchmarks.mixed_rules import compiled
from benchmarks.readings import events
from benchmarks.reference import CelpyMatcher, GoogleMatcher, PlainMatcher, RustMatcher
from engine.bench.rule_sets import (
    SITE_RULES,
    PlainRule,
    SetKind,
    mixed_rules,
    site_plates,
    site_rules,
    written_set,
)
from engine.match import IndexedMatcher, LinearMatcher, Matcher
from engine.rules import Rule, load_rules
from engine.schema.event import Event
from tests.support.avro import plate_schema

SECTION = "2 match"
SITE_SECTION = "2 match, 50 rules on one list of 100,000 plates"
EVENTS = 2_000
COMPARED = 200
# Of the site's events so many have a plate of the list.
SHARE = 0.01
INDEX = "with an index"
ENGINES: Mapping[str, Callable[[Sequence[Rule]], Matcher]] = {
    INDEX: IndexedMatcher,
    "each in turn": LinearMatcher,
}


@dataclass(frozen=True, slots=True)
class Other:
    """Another way of matching: its most mixed rules, and how many events its matches are of."""

    make: Callable[[Sequence[PlainRule]], Any]
    most_rules: int
    compared: int


OTHERS: Mapping[str, Other] = {
    "plain Python scan": Other(PlainMatcher, 10_000, 50),
    "common-expression-language": Other(RustMatcher, 10_000, 50),
    "cel-expr-python": Other(GoogleMatcher, 10_000, 50),
    "celpy's interpreter": Other(CelpyMatcher, 100, 10),
}
SIZES = (10, 100, 1_000, 10_000)


@pytest.mark.parametrize("rules", SIZES)
@pytest.mark.parametrize("way", ENGINES)
def test_engine(measure: Measurement, tmp_path: Path, way: str, rules: int) -> None:
    loaded = compiled(mixed_rules(rules), tmp_path)
    matcher, traffic = ENGINES[way](loaded), events(EVENTS)
    compared = traffic[:COMPARED]
    assert ids(matcher, compared) == ids(LinearMatcher(loaded), compared)
    tell(measure, rules, way, matcher.match, traffic)
    if way == INDEX:
        share = sum(map(len, ids(matcher, traffic))) / EVENTS
        measure.tell(SECTION, f"{rules:,} rules, matches", share * 1e3, "per 1,000 events")


@pytest.mark.parametrize("rules", SIZES)
@pytest.mark.parametrize("way", OTHERS)
def test_other(measure: Measurement, tmp_path: Path, way: str, rules: int) -> None:
    other = OTHERS[way]
    if rules > other.most_rules:
        pytest.skip("takes too long")
    plain = mixed_rules(rules)
    matcher, traffic = other.make(plain), events(EVENTS)
    compared = traffic[: other.compared]
    found = [matcher.match(event.values) for event in compared]
    assert found == ids(LinearMatcher(compiled(plain, tmp_path)), compared)
    tell(measure, rules, way, matcher.match, [event.values for event in traffic])


def tell(
    measure: Measurement, rules: int, way: str, match: Callable[[Any], object], inputs: list[Any]
) -> None:
    turns = cycle(inputs)
    seconds = measure.calls(f"match, {rules:,} rules, an event", lambda: match(next(turns)))
    measure.tell(SECTION, f"{rules:,} rules, {way}", seconds * 1e6, "µs an event")


@pytest.fixture(scope="module")
def site() -> tuple[Rule, ...]:
    """The site's rules as the engine runs them."""
    with written_set(SetKind.SITE, SITE_RULES) as written:
        return load_rules(written.paths, plate_schema(), None).rules


@pytest.fixture(scope="module")
def site_traffic() -> list[Event]:
    """Events of which some have a plate of the list."""
    return events(EVENTS, watched=site_plates(), share=SHARE)


@pytest.mark.parametrize("way", ENGINES)
def test_engine_at_a_site(
    measure: Measurement, site: tuple[Rule, ...], site_traffic: list[Event], way: str
) -> None:
    matcher = ENGINES[way](site)
    found = ids(matcher, site_traffic)
    assert found == ids(LinearMatcher(site), site_traffic)
    assert sum(map(len, found)) >= SHARE * EVENTS
    tell_at_a_site(measure, way, matcher.match, site_traffic)


@pytest.mark.parametrize("way", OTHERS)
def test_other_at_a_site(
    measure: Measurement, site: tuple[Rule, ...], site_traffic: list[Event], way: str
) -> None:
    matcher = OTHERS[way].make(site_rules(site_plates()))
    # The hundredth event is the first with a plate of the list.
    compared = site_traffic[98:101]
    found = [matcher.match(event.values) for event in compared]
    assert found == ids(LinearMatcher(site), compared)
    assert found[1]
    tell_at_a_site(measure, way, matcher.match, [event.values for event in site_traffic])


def tell_at_a_site(
    measure: Measurement, way: str, match: Callable[[Any], object], inputs: list[Any]
) -> None:
    turns = cycle(inputs)
    seconds = measure.calls("match, the site's rules, an event", lambda: match(next(turns)))
    measure.tell(SITE_SECTION, way, seconds * 1e6, "µs an event")


def ids(matcher: Matcher, traffic: Sequence[Event]) -> list[list[str]]:
    return [[match.rule_id for match in matcher.match(event).matches] for event in traffic]
