"""One rule with an `in_list` of 10,000 plates: how long it loads, and what it costs an event.

The list is bound to the expression as a constant, so an event costs one probe of a hash set; the
plain scan goes through all of it.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

from benchmarks.measure import Measurement
from benchmarks.mixed_rules import compiled, load
from benchmarks.readings import events
from benchmarks.reference import PlainMatcher
from engine.bench.rule_sets import PLATE, PlainCondition, PlainRule, rule_file, site_plates
from engine.match import IndexedMatcher

GROUP = "in_list of 10,000 plates, an event"
SECTION = "3 in_list of 10,000 plates"
PLATES = 10_000
EVENTS = 1_000


def the_rule() -> PlainRule:
    values = site_plates(PLATES)
    return PlainRule("watchlist", (PlainCondition(PLATE, "in_list", values),))


def test_load(measure: Measurement, tmp_path: Path) -> None:
    text = rule_file([the_rule()])
    seconds = measure.rounds("in_list of 10,000 plates, load", lambda: load(text, tmp_path), 3)
    measure.tell(SECTION, "load (bound: 1 s)", seconds, "s")


def test_engine(measure: Measurement, tmp_path: Path) -> None:
    matcher = IndexedMatcher(compiled([the_rule()], tmp_path))
    turns = cycle(events(EVENTS))
    seconds = measure.calls(GROUP, lambda: matcher.match(next(turns)))
    measure.tell(SECTION, "the engine (bound: 100 µs)", seconds * 1e6, "µs an event")


def test_plain_scan(measure: Measurement) -> None:
    matcher = PlainMatcher([the_rule()])
    turns = cycle(event.values for event in events(EVENTS))
    seconds = measure.calls(GROUP, lambda: matcher.match(next(turns)))
    measure.tell(SECTION, "plain Python scan", seconds * 1e6, "µs an event")
