"""What has changed from one rule set to another, rule by rule."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from engine.errors import RulesError
from engine.reload.history import ChangeKind, RuleChange, changes, load_rule_set
from engine.rules import RuleSet
from engine.store import RuleFiles
from engine.watchlist import PlateCosts
from tests.support.avro import plate_schema
from tests.support.plate_costs import changed_costs

RULE = """\
watchlists: {stolen: lists/stolen.csv, residents: {file: lists/residents.csv, min_rows: 1}}
channels: {ops: null, desk: null}
rules:
  - id: first
    name: First
    priority: high
    when: plate.normalized_text in watchlist("stolen") && plate.confidence > 0.5
    notify: [ops]
    rate_limit: {cooldown_seconds: 60, dedup_key: [plate.normalized_text]}
    message_template: '{plate.text} {watchlist("residents")[plate.normalized_text].note}'
"""
LISTS = {"stolen": b"plate\nABC123\n", "residents": b"plate,note,info\nABC123,x,XYZ789\n"}


def rule_set(text: str = RULE, costs: PlateCosts | None = None, **lists: bytes) -> RuleSet:
    contents = {f"/r/lists/{name}.csv": data for name, data in {**LISTS, **lists}.items()}
    files = RuleFiles(
        "digest",
        rules={"/r/a.yaml": text.encode()},
        lists=contents,
        list_digests={path: data.hex() for path, data in contents.items()},
        missing={},
    )
    return load_rule_set(files, plate_schema(), UTC, costs)


def change(text: str = RULE, **lists: bytes) -> RuleChange:
    return changes(rule_set(), rule_set(text, None, **lists))["first"]


def test_former_rules_go_by_the_costs_of_misreadings_of_today(tmp_path: Path) -> None:
    costs = changed_costs(tmp_path)
    found = rule_set(costs=costs)
    assert found.costs is costs
    assert [each.costs for each in found.watchlists.values()] == [costs, costs]


def test_a_rule_that_stands_elsewhere_is_unchanged() -> None:
    assert change(f"# a comment\n\n{RULE}").kind is ChangeKind.UNCHANGED
    assert change(RULE.replace("plate.confidence > 0.5", "plate.confidence>0.5")) == RuleChange(
        "first", ChangeKind.UNCHANGED
    )


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("0.5", "0.6", ("condition",)),
        ("cooldown_seconds: 60", "cooldown_seconds: 61", ("cooldown_seconds",)),
        ("[plate.normalized_text]}", "[camera_id]}", ("dedup_key",)),
        ("'{plate.text} ", "'{plate.text}, ", ("message_template",)),
        ("[ops]", "[ops, desk]", ("notify",)),
        ("priority: high", "priority: low", ("priority",)),
        ("name: First", "name: Second", ("name",)),
        ("{cooldown_seconds: 60, d", "{enabled: false, d", ("cooldown_seconds", "dedup_key")),
    ],
)
def test_a_changed_rule_names_its_keys(before: str, after: str, keys: tuple[str, ...]) -> None:
    assert RULE.count(before) == 1
    assert change(RULE.replace(before, after)) == RuleChange("first", ChangeKind.CHANGED, keys)


def test_a_list_with_other_rows_changes_the_rules_that_ask_for_it() -> None:
    stolen = change(stolen=LISTS["stolen"] + b"XYZ789\n")
    assert stolen == RuleChange("first", ChangeKind.CHANGED, lists=("stolen",))
    residents = change(residents=b"plate,note\nABC123,y\n")
    assert residents == RuleChange("first", ChangeKind.CHANGED, lists=("residents",))


def test_a_list_whose_file_is_read_in_another_way_counts_as_changed() -> None:
    text = RULE.replace("min_rows: 1", "column: info, note: note")
    assert change(text) == RuleChange("first", ChangeKind.CHANGED, lists=("residents",))


TIMED = """\
time_intervals:
  - {name: night, times: [{start_time: "22:00", end_time: "05:00"}]}
  - {name: weekend, weekdays: [saturday, sunday]}
  - {name: holidays, dates: [2026-12-25], location: Europe/Berlin}
rules:
  - id: first
    when: during("weekend")
    notify: []
    active_time_intervals: [night]
    mute_time_intervals: [holidays]
"""


@pytest.mark.parametrize(
    ("before", "after", "keys", "intervals"),
    [
        ("time_intervals: [night]", "time_intervals: [weekend]", ("active_time_intervals",), ()),
        ("mute_time_intervals: [holidays]", "enabled: true", ("mute_time_intervals",), ()),
        ("22:00", "23:00", (), ("night",)),
        ("saturday, sunday", "sunday", (), ("weekend",)),
        ("Berlin", "Paris", (), ("holidays",)),
    ],
)
def test_a_rule_whose_time_intervals_changed_names_them(
    before: str, after: str, keys: tuple[str, ...], intervals: tuple[str, ...]
) -> None:
    found = changes(rule_set(TIMED), rule_set(TIMED.replace(before, after)))["first"]
    assert found == RuleChange("first", ChangeKind.CHANGED, keys, intervals=intervals)


def test_rules_come_and_go() -> None:
    second = RULE + "  - {id: second, when: 'false', notify: []}\n"
    off = second.replace("id: second,", "id: second, enabled: false,")
    assert changes(rule_set(), rule_set(second))["second"].kind is ChangeKind.NEW
    assert changes(rule_set(second), rule_set())["second"].kind is ChangeKind.GONE
    assert changes(rule_set(second), rule_set(off))["second"].kind is ChangeKind.DISABLED


def test_a_set_that_does_not_suit_the_schema_any_more_says_where() -> None:
    with pytest.raises(RulesError) as caught:
        rule_set(RULE.replace("plate.confidence", "plate.certainty"))
    (fault,) = caught.value.errors
    assert str(fault.place).startswith(f"{Path('/r/a.yaml')}:7:")


def test_a_former_list_has_the_path_of_its_file() -> None:
    found = rule_set().watchlists["stolen"]
    assert found.path == Path("/r/lists/stolen.csv")
    assert found.definition.place.file == "/r/a.yaml"


def test_a_list_that_is_not_there_is_named_by_the_path_of_that_time() -> None:
    text = RULE.replace("lists/stolen.csv", "lists/gone.csv")
    with pytest.raises(RulesError) as caught:
        rule_set(text)
    assert "there is no file /r/lists/gone.csv" in str(caught.value)
