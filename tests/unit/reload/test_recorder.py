"""Which rules were in force, and all their files, can be had from the store again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engine.clock import SystemClock
from engine.errors import RulesNotKeptError
from engine.reload.history import load_rule_set
from engine.reload.loader import open_rules
from engine.reload.recorder import RuleRecorder
from engine.rules import RuleSet
from engine.store import Missing, RuleFiles, Store, open_store
from tests.support.avro import plate_schema
from tests.support.postgresql import PostgreSQL
from tests.unit.reload.place import RULES, UNSET, RulesPlace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> RulesPlace:
    place = RulesPlace(tmp_path, RULES)
    place.write_list(200)
    return place


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        yield store


@pytest.fixture
def recorder(store: Store) -> RuleRecorder:
    return RuleRecorder(store.rule_sets, "one")


def loaded(place: RulesPlace, known: RuleSet | None = None) -> RuleSet:
    lists = known.watchlists if known is not None else {}
    result = place.source.attempt(place.source.files.look(), lists).result
    assert isinstance(result, RuleSet)
    return result


def record(recorder: RuleRecorder, rule_set: RuleSet) -> RuleSet:
    recorder.use(rule_set)
    recorder.record()
    return rule_set


def kept(store: Store, rule_set: RuleSet) -> RuleFiles:
    files = store.rule_sets.files(rule_set.digest)
    assert files is not None
    return files


def plates(store: Store, rule_set: RuleSet) -> int:
    """How many plates the list of the set has that was kept."""
    again = load_rule_set(kept(store, rule_set), plate_schema(), UTC)
    return again.watchlists["stolen"].row_count


def test_the_rules_of_that_time_load_after_the_files_have_changed(
    place: RulesPlace, store: Store, recorder: RuleRecorder
) -> None:
    former = record(recorder, loaded(place))
    place.write("rules: [{id: other, when: 'false', notify: []}]\n")
    place.list.unlink()
    record(recorder, loaded(place))
    again = load_rule_set(kept(store, former), plate_schema(), UTC)
    assert [rule.rule_id for rule in again.rules] == ["first"]
    assert again.digest == former.digest
    assert again.files == former.files == (place.file,)
    assert again.rules[0].place == former.rules[0].place
    assert again.watchlists["stolen"].row_count == 200
    assert again.watchlists["stolen"].plates == former.watchlists["stolen"].plates
    assert again.sources[0].lists == ("stolen",)


def test_a_set_is_recorded_once_until_it_changes(
    place: RulesPlace, store: Store, recorder: RuleRecorder
) -> None:
    for _ in range(3):
        record(recorder, loaded(place))
    record(RuleRecorder(store.rule_sets, "two"), loaded(place))
    rows = store.archive.rows()
    assert (rows["rule_sets"], rows["rule_files"], rows["rule_set_uses"]) == (1, 2, 2)


@pytest.mark.parametrize(
    ("row_count", "reloads"), [(2_000, 3), pytest.param(100_000, 20, marks=pytest.mark.slow)]
)
def test_a_long_list_is_kept_once_over_many_reloads(
    place: RulesPlace, store: Store, recorder: RuleRecorder, row_count: int, reloads: int
) -> None:
    numbers = random.Random(1).sample(range(10**7), row_count)
    place.list.write_text("plate\n" + "".join(f"P{number:07}\n" for number in numbers))
    rule_set = loaded(place)
    for number in range(reloads):
        place.write(RULES, f"rule-{number}")
        rule_set = record(recorder, loaded(place, rule_set))
    rows = store.archive.rows()
    assert (rows["rule_sets"], rows["rule_files"], rows["rule_set_uses"]) == (
        reloads,
        reloads + 1,
        reloads,
    )
    assert plates(store, rule_set) == row_count


def test_no_byte_of_the_store_is_of_a_secret(
    place: RulesPlace, store: Store, recorder: RuleRecorder
) -> None:
    place.write("# json://s3cret\n" + UNSET.replace("${GONE}", "json://user:s3cret@example.com"))
    rule_set = record(recorder, loaded(place))
    (text,) = kept(store, rule_set).rules.values()
    assert b"s3cret" not in text
    assert b"hook" in text
    store.close()
    for path in place.folder.glob("alerts.db*"):
        assert b"s3cret" not in path.read_bytes()


def test_a_refused_list_is_recorded_as_it_stays_in_force(
    place: RulesPlace, store: Store, recorder: RuleRecorder
) -> None:
    first = record(recorder, loaded(place))
    place.write_list(10)
    place.write(RULES, "second")
    rule_set = record(recorder, loaded(place, first))
    assert rule_set.refusals
    assert plates(store, rule_set) == 200
    third = record(recorder, loaded(place, rule_set))
    assert plates(store, third) == 200


def test_what_is_in_force_of_the_last_good_set_is_recorded(
    place: RulesPlace, store: Store, recorder: RuleRecorder
) -> None:
    attempt = place.attempt()
    digests = {path: digest for path, digest in attempt.digests.items() if path.is_file()}
    place.last_good.keep(place.path, digests, {"stolen": (place.list, 200)}, NOON)
    place.write_list(10)
    refused = open_rules(place.new_source(), place.last_good, SystemClock(), strict=False)
    assert refused.rule_set.refusals
    assert plates(store, record(recorder, refused.rule_set)) == 200
    place.write("rules: [")
    opening = open_rules(place.new_source(), place.last_good, SystemClock(), strict=False)
    assert opening.kept is not None
    assert plates(store, record(recorder, opening.rule_set)) == 200
    assert kept(store, opening.rule_set).rules.keys() == {str(place.file)}


def test_a_file_that_was_changed_again_is_missing_and_said_so(
    place: RulesPlace, store: Store, recorder: RuleRecorder
) -> None:
    rule_set = loaded(place)
    place.write_list(201)
    with capture_logs() as logs:
        record(recorder, rule_set)
    assert [line["event"] for line in logs] == ["rule_set.file_missing"]
    assert kept(store, rule_set).missing == {str(place.list): Missing.CHANGED}
    with pytest.raises(RulesNotKeptError, match=r"stolen\.csv, .* changed again"):
        load_rule_set(kept(store, rule_set), plate_schema(), UTC)


def test_a_file_that_is_too_large_is_missing_and_said_so(place: RulesPlace, store: Store) -> None:
    rule_set = record(RuleRecorder(store.rule_sets, "one", most_bytes=300), loaded(place))
    assert kept(store, rule_set).missing == {str(place.list): Missing.TOO_LARGE}
    with pytest.raises(RulesNotKeptError, match="more than 8 MB"):
        load_rule_set(kept(store, rule_set), plate_schema(), UTC)


def test_what_a_store_does_not_take_is_recorded_when_it_does(
    place: RulesPlace, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/alerts.db"
    with open_store(url) as store:
        away, back = tmp_path / "alerts.db", tmp_path / "away.db"
        recorder = RuleRecorder(store.rule_sets, "one")
        away.rename(back)
        rule_set = record(recorder, loaded(place))
        back.rename(away)
        assert store.rule_sets.files(rule_set.digest) is None
        recorder.record()
        assert plates(store, rule_set) == 200


def test_for_a_store_without_room_a_file_is_packed_once(place: RulesPlace, tmp_path: Path) -> None:
    numbers = random.Random(1).sample(range(10**8), 60_000)
    place.list.write_text("plate\n" + "".join(f"P{number:08}\n" for number in numbers))
    rule_set = loaded(place)
    with open_store(f"sqlite:///{tmp_path}/alerts.db?max_page_count=80") as store:
        recorder = RuleRecorder(store.rule_sets, "one")
        record(recorder, rule_set)
        assert store.rule_sets.files(rule_set.digest) is None
    place.list.unlink()
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        recorder._rule_sets = store.rule_sets
        recorder.record()
        assert kept(store, rule_set).missing == {}


def test_a_set_without_a_digest_is_not_recorded(store: Store, recorder: RuleRecorder) -> None:
    record(recorder, RuleSet((), (), {}, (), ()))
    assert store.archive.rows()["rule_sets"] == 0


@pytest.mark.slow
def test_rules_are_recorded_on_postgresql_too(
    place: RulesPlace, postgresql: PostgreSQL, recorder: RuleRecorder
) -> None:
    with open_store(postgresql.create_database()) as store:
        former = record(RuleRecorder(store.rule_sets, "one"), loaded(place))
        place.write(RULES, "second")
        record(RuleRecorder(store.rule_sets, "two"), loaded(place))
        assert plates(store, former) == 200
        assert store.archive.rows()["rule_files"] == 3
