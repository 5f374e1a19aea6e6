"""How an index grows: what looking up costs with ten times the rules, what building it takes.

The rules are the mixed ones, made without a file: reading YAML is measured elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import cycle

import pytest

from benchmarks.measure import Measurement
from benchmarks.readings import events
from channels.alert import Priority
from engine.bench.rule_sets import PLATE, PlainCondition, PlainRule, mixed_rules, site_plates
from engine.cel import compile_condition, compile_template, conjunction
from engine.errors import Place
from engine.match import IndexedMatcher, LinearMatcher
from engine.rules import Rule
from tests.support.avro import plate_schema

SECTION = "4 index"
GROUP = "index, an event"
EVENTS = 2_000
COMPARED = 20
PLATES = 1_000


def as_rules(plain: Sequence[PlainRule]) -> list[Rule]:
    """The rules with their conditions compiled, and nothing else to them."""
    variables = plate_schema().variables
    template = compile_template("alert", variables)
    return [
        Rule(
            rule_id=rule.rule_id,
            name=rule.rule_id,
            description="",
            priority=Priority.LOW,
            condition=conjunction(
                [
                    compile_condition(each.field, each.operator, each.value, variables)
                    for each in rule.conditions
                ]
            ),
            notify=(),
            rate_limit=None,
            template=template,
            tests=(),
            place=Place("rules.yaml", 1, 1),
        )
        for rule in plain
    ]


def sites_list(rules: int, plates: int) -> list[PlainRule]:
    """So many rules on one and the same list: what most sites have."""
    values = site_plates(plates)
    return [
        PlainRule(f"r{place}", (PlainCondition(PLATE, "in_list", values),))
        for place in range(rules)
    ]


@pytest.mark.parametrize("count", [10, 100, 1_000, 10_000, 100_000])
def test_mixed_rules(measure: Measurement, count: int) -> None:
    show(measure, f"{count:,} mixed rules", as_rules(mixed_rules(count)))


def test_one_long_list(measure: Measurement) -> None:
    show(measure, "50 rules on one list of 100,000 plates", as_rules(sites_list(50, 100_000)))


@pytest.mark.parametrize("others", [0, 10_000])
def test_plates_by_likeness(measure: Measurement, others: int) -> None:
    """A rule for each plate, which is asked for as cameras may have misread it."""
    plates = site_plates(PLATES)
    rules = [
        PlainRule(f"like-{place}", (PlainCondition(PLATE, "similar_to", plate),))
        for place, plate in enumerate(plates)
    ]
    among = f" among {others:,} mixed rules" if others else ""
    what = f"{PLATES:,} rules for a plate by likeness{among}"
    show(measure, what, as_rules([*mixed_rules(others), *rules]))


def show(measure: Measurement, what: str, rules: list[Rule]) -> None:
    """An event's cost, and the index's own."""
    started = time.process_time()
    matcher = IndexedMatcher(rules)
    built = time.process_time() - started
    traffic = events(EVENTS)
    linear = LinearMatcher(rules)
    compared = traffic[:COMPARED]
    assert list(map(matcher.match, compared)) == list(map(linear.match, compared))
    turns = cycle(traffic)
    seconds = measure.calls(GROUP, lambda: matcher.match(next(turns)))
    measure.tell(SECTION, what, seconds * 1e6, "µs an event")
    measure.tell(SECTION, f"{what}, building the index", built, "s")
