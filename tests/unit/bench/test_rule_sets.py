from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from engine.bench.rule_sets import (
    FIELDS,
    PLATES_A_LIST,
    SITE_RULES,
    MeasuredSet,
    SetKind,
    mixed_rules,
    rule_file,
    site_plates,
    site_rules,
    traffic,
)
from engine.match import IndexedMatcher, LinearMatcher
from tests.support.avro import plate_schema
from tests.support.rule_files import load_text


def kinds(count: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(each.operator for each in rule.conditions) for rule in mixed_rules(count))


def test_seventy_of_a_hundred_are_lists_and_ten_of_each_other_kind() -> None:
    assert kinds(100) == {
        ("in_list",): 70,
        ("regex",): 10,
        ("contains",): 10,
        ("greater_than", "equals"): 10,
    }
    lists = [
        each.value
        for rule in mixed_rules(100)
        for each in rule.conditions
        if each.operator == "in_list"
    ]
    assert {len(plates) for plates in lists} == {PLATES_A_LIST}


def test_more_rules_begin_with_the_same_ones() -> None:
    assert mixed_rules(300)[:20] == mixed_rules(20)


def test_the_fields_that_are_looked_at_are_named() -> None:
    rules = [*mixed_rules(10), *site_rules(["AAA0001"])]
    assert {each.field for rule in rules for each in rule.conditions} == {*FIELDS}


def test_the_rules_load_without_a_warning_and_match_seldom(tmp_path: Path) -> None:
    rule_set = load_text(rule_file(mixed_rules(300)), tmp_path)
    assert (len(rule_set.rules), rule_set.warnings) == (300, ())
    events = traffic(1000, plate_schema(), UTC, datetime.now(UTC))
    found = list(map(IndexedMatcher(rule_set.rules).match, events))
    assert found[:50] == list(map(LinearMatcher(rule_set.rules).match, events[:50]))
    assert 0 < sum(len(result.matches) for result in found) < 20


def test_a_site_has_few_rules_on_one_list_all_but_one_at_a_camera() -> None:
    plates = site_plates(20)
    assert len({*plates}) == 20
    rules = site_rules(plates)
    assert len(rules) == SITE_RULES
    assert all(rule.conditions[0].value is plates for rule in rules)
    cameras = [each.value for rule in rules for each in rule.conditions[1:]]
    assert len({*cameras}) == len(cameras) == SITE_RULES - 1


def test_a_larger_set_needs_more_memory() -> None:
    small, large = (MeasuredSet(SetKind.MIXED, rules, ()) for rules in (10, 100_000))
    assert 90 < small.needed_mb < 200 < 1000 < large.needed_mb < 2000
