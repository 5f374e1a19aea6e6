"""Matching one event against mixed rules, beside the two ways of doing it without the engine.

One group for each number of rules, so that its table shows the ratios: the engine's matchers (each
rule in turn, and with an index in front), a plain Python scan like the running system's, and for
few rules celpy's interpreter. All give the same matches, which is asserted before anything is
measured.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest

from benchmarks.measure import Measurement
from benchmarks.mixed_rules import compiled, mixed_rules
from benchmarks.readings import events
from benchmarks.reference import CelpyMatcher, PlainMatcher
from engine.match import IndexedMatcher, LinearMatcher

SECTION = "2 match"
EVENTS = 2_000
COMPARED = 300
CELPY_EVENTS = 10


def group(rules: int) -> str:
    return f"match, {rules:,} rules, an event"


@pytest.mark.parametrize("rules", [10, 100, 1_000])
def test_each_in_turn(measure: Measurement, tmp_path: Path, rules: int) -> None:
    plain = mixed_rules(rules)
    matcher = LinearMatcher(compiled(plain, tmp_path))
    traffic = events(EVENTS)
    reference = PlainMatcher(plain)
    found = [[match.rule_id for match in matcher.match(event)] for event in traffic]
    assert found[:COMPARED] == [reference.match(event.values) for event in traffic[:COMPARED]]
    turns = cycle(traffic)
    seconds = measure.calls(group(rules), lambda: matcher.match(next(turns)))
    measure.tell(SECTION, f"{rules:,} rules, each in turn", seconds * 1e6, "µs an event")
    share = sum(map(len, found)) / EVENTS
    measure.tell(SECTION, f"{rules:,} rules, matches", share * 1e3, "per 1,000 events")


@pytest.mark.parametrize("rules", [10, 100, 1_000, 10_000])
def test_index(measure: Measurement, tmp_path: Path, rules: int) -> None:
    loaded = compiled(mixed_rules(rules), tmp_path)
    matcher, linear = IndexedMatcher(loaded), LinearMatcher(loaded)
    traffic = events(EVENTS)
    compared = traffic[:COMPARED]
    assert list(map(matcher.match, compared)) == list(map(linear.match, compared))
    turns = cycle(traffic)
    seconds = measure.calls(group(rules), lambda: matcher.match(next(turns)))
    measure.tell(SECTION, f"{rules:,} rules, with an index", seconds * 1e6, "µs an event")


@pytest.mark.parametrize("rules", [10, 100, 1_000, 10_000])
def test_plain_scan(measure: Measurement, rules: int) -> None:
    matcher = PlainMatcher(mixed_rules(rules))
    turns = cycle(event.values for event in events(EVENTS))
    seconds = measure.calls(group(rules), lambda: matcher.match(next(turns)))
    measure.tell(SECTION, f"{rules:,} rules, plain Python scan", seconds * 1e6, "µs an event")


@pytest.mark.parametrize("rules", [10, 100])
def test_celpy_interpreter(measure: Measurement, rules: int) -> None:
    plain = mixed_rules(rules)
    matcher, reference = CelpyMatcher(plain), PlainMatcher(plain)
    traffic = [event.values for event in events(CELPY_EVENTS)]
    assert [matcher.match(event) for event in traffic] == list(map(reference.match, traffic))
    turns = cycle(traffic)
    seconds = measure.calls(group(rules), lambda: matcher.match(next(turns)))
    measure.tell(SECTION, f"{rules:,} rules, celpy's interpreter", seconds * 1e6, "µs an event")
