"""The store knows which rule sets were in force when, and keeps their files once."""

from __future__ import annotations

import zlib

from engine.store import Instance, Missing, NotedFile, RuleFiles, RuleSetUse, Store
from tests.support.stored import save
from tests.unit.store.samples import DAY_SECONDS, Clock, Samples

RULES = NotedFile("/rules/a.yaml", False, "r1")
LIST = NotedFile("/rules/stolen.csv", True, "l1")
CONTENT = {"r1": b"rules: []\n", "r2": b"rules: [{}]\n", "l1": b"plate\nABC123\n"}


def note(store: Store, digest: str, *files: NotedFile, instance_id: str = "one") -> bool:
    for each in files:
        if each.digest:
            store.rule_sets.keep_file(each.digest, zlib.compress(CONTENT[each.digest]))
    return store.rule_sets.note(digest, files, instance_id)


def uses(store: Store, at_us: int) -> list[tuple[str, str]]:
    return [(each.instance_id, each.digest) for each in store.rule_sets.at(at_us)]


def beat(store: Store, instance_id: str) -> None:
    store.instances.beat(Instance(instance_id, "host", "1.0", ""))


def test_a_set_comes_back_as_it_was_noted(store: Store, tool: Store) -> None:
    assert note(store, "set-1", RULES, LIST)
    assert tool.rule_sets.files("set-1") == RuleFiles(
        "set-1",
        rules={"/rules/a.yaml": CONTENT["r1"]},
        lists={"/rules/stolen.csv": CONTENT["l1"]},
        list_digests={"/rules/stolen.csv": "l1"},
        missing={},
    )
    assert tool.rule_sets.files("set-2") is None


def test_a_set_is_in_force_from_its_note_to_that_of_the_next(store: Store, clock: Clock) -> None:
    first_us = clock.us
    note(store, "set-1", RULES)
    clock.seconds += 60
    note(store, "set-2", RULES, LIST)
    assert uses(store, first_us - 1) == []
    assert uses(store, first_us) == [("one", "set-1")]
    assert uses(store, clock.us - 1) == [("one", "set-1")]
    assert store.rule_sets.at(clock.us) == [RuleSetUse("set-2", "one", clock.us, 0)]


def test_the_set_in_force_is_not_noted_again(store: Store, clock: Clock) -> None:
    since_us = clock.us
    note(store, "set-1", RULES)
    clock.seconds += 60
    assert store.rule_sets.use("set-1", "one")
    assert store.rule_sets.at(clock.us) == [RuleSetUse("set-1", "one", since_us, 0)]


def test_a_set_that_is_kept_needs_no_files_to_be_used_again(store: Store, clock: Clock) -> None:
    assert not store.rule_sets.use("set-1", "one")
    note(store, "set-1", RULES)
    assert store.rule_sets.use("set-1", "two")
    assert uses(store, clock.us) == [("one", "set-1"), ("two", "set-1")]


def test_a_file_that_was_not_kept_is_named_and_asked_for_again(store: Store) -> None:
    note(store, "set-1", RULES, NotedFile("/big.csv", True, missing=Missing.TOO_LARGE))
    files = store.rule_sets.files("set-1")
    assert files is not None
    assert files.missing == {"/big.csv": Missing.TOO_LARGE}
    assert (files.rules, files.lists) == ({"/rules/a.yaml": CONTENT["r1"]}, {})
    assert not store.rule_sets.use("set-1", "two")
    note(store, "set-1", RULES, LIST)
    assert store.rule_sets.use("set-1", "two")


def test_a_note_of_files_that_are_not_kept_is_refused(store: Store, clock: Clock) -> None:
    assert not store.rule_sets.note("set-1", [RULES], "one")
    assert store.rule_sets.files("set-1") is None
    assert uses(store, clock.us) == []


def test_an_engine_that_stops_uses_nothing_any_more(store: Store, clock: Clock) -> None:
    beat(store, "one")
    note(store, "set-1", RULES)
    clock.seconds += 60
    store.instances.forget("one")
    assert uses(store, clock.us) == []
    assert uses(store, clock.us - 1) == [("one", "set-1")]


def test_an_engine_that_was_killed_used_its_rules_until_it_was_seen_last(
    store: Store, clock: Clock
) -> None:
    beat(store, "one")
    note(store, "set-1", RULES)
    clock.seconds += 10
    beat(store, "one")
    seen_us = clock.us
    clock.seconds += 40
    for _ in range(2):
        assert uses(store, seen_us - 1) == [("one", "set-1")]
        assert uses(store, seen_us) == []
        # After a day the other engine forgets it.
        clock.seconds += DAY_SECONDS + 1
        beat(store, "two")
    store.instances.forget_all()
    assert store.rule_sets.at(seen_us - 1)[0].until_us == seen_us


def test_sets_of_the_retention_in_force_or_of_an_alert_are_kept(
    store: Store, clock: Clock, samples: Samples
) -> None:
    note(store, "old", RULES, LIST)
    note(store, "of an alert", NotedFile("/rules/a.yaml", False, "r2"))
    new = samples.new()
    save(store, [type(new)(new.alert, new.digest, None, new.time_us, rules_digest="of an alert")])
    clock.seconds += 60
    note(store, "in force", LIST)
    assert store.rule_sets.sweep(clock.us - int(60e6)) == 0
    clock.seconds += 30 * DAY_SECONDS
    assert store.rule_sets.sweep(clock.us) == 1
    assert store.rule_sets.files("old") is None
    assert store.rule_sets.files("of an alert") is not None
    assert uses(store, clock.us) == [("one", "in force")]
    assert store.rule_sets.kept_files(CONTENT) == {"r2", "l1"}
    assert store.archive.rows()["rule_set_uses"] == 1
