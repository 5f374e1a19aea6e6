from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.alert import Alert, Priority
from engine.metrics import Metrics
from engine.reload.file_state import digest_of
from engine.reload.recorder import RuleRecorder
from engine.rules import RuleSet
from engine.rules.rule import SourceFile
from engine.service.housekeeping import Housekeeper
from engine.service.replicas import Replicas
from engine.store import Ask, Batch, Instance, NewAlert, NotedFile, Silence, Store, open_store
from engine.stream.record import DeadLetter, DeadLetterType, Record
from tests.support.patience import await_that

DAY_SECONDS = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    # Alerts are stored a year ago, so that today they are old.
    a_year_ago = time.time() - 365 * DAY_SECONDS
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: a_year_ago) as store:
        yield store


def old_alert(number: int) -> NewAlert:
    alert = Alert(f"a-{number}", "r", "R", Priority.LOW, "m", "then", "then")
    return NewAlert(alert, number.to_bytes(16, "big"), None, number)


def letter(offset: int, value: bytes) -> DeadLetter:
    return DeadLetter(Record("t", 0, offset, 0, None, value), DeadLetterType.UNKNOWN, "why")


def save(store: Store, *alerts: NewAlert) -> None:
    store.stream.decide(Ask((), {}), lambda past: Batch(alerts, {}))


def keeper(
    store: Store, metrics: Metrics, retention_seconds: float, letter_seconds: float = DAY_SECONDS
) -> Housekeeper:
    instance = Instance("one", "host", "1.0", "abc")
    replicas = Replicas(store.instances, lambda: instance, metrics)
    return Housekeeper(store, metrics, replicas, retention_seconds, 300, letter_seconds)


def test_rows_and_waiting_dead_letters_are_counted(store: Store) -> None:
    store.letters.keep([letter(1, b"x")])
    metrics = Metrics()
    keeper(store, metrics, DAY_SECONDS).tidy()
    text = metrics.exposition().decode()
    assert 'alert_engine_store_rows{table="dead_letters"} 1.0' in text
    assert 'alert_engine_store_rows{table="alerts"} 0.0' in text
    assert "alert_engine_dead_letters_waiting 1.0" in text


def test_rows_beyond_their_retention_are_swept(tmp_path: Path) -> None:
    now = [time.time() - 365 * DAY_SECONDS]
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: now[0]) as store:
        save(store, *(old_alert(number) for number in range(300)))
        now[0] = time.time()
        keeper(store, Metrics(), 30 * DAY_SECONDS).tidy()
        assert store.archive.rows()["alerts"] == 0


def test_silences_that_were_over_before_the_retention_are_swept(tmp_path: Path) -> None:
    now_us = round(time.time() * 1e6)
    ends = [now_us - round(days * DAY_SECONDS * 1e6) for days in (31, 29, -1)]
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        for each in ends:
            store.silences.add(Silence(rule_id="r", starts_us=0, ends_us=each))
        keeper(store, Metrics(), 30 * DAY_SECONDS).tidy()
        assert sorted(each.ends_us for each in store.silences.all()) == sorted(ends[1:])


def test_a_store_in_trouble_ends_nothing(store: Store) -> None:
    store.close()
    with keeper(store, Metrics(), DAY_SECONDS) as housekeeper:
        housekeeper.tidy()


def test_a_clock_that_jumps_a_year_ahead_sweeps_no_alert_of_today(tmp_path: Path) -> None:
    now = [time.time()]
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: now[0]) as store:
        keeper(store, Metrics(), 30 * DAY_SECONDS).tidy()
        save(store, *(old_alert(number) for number in range(3)))
        now[0] += 365 * DAY_SECONDS
        keeper(store, Metrics(), 30 * DAY_SECONDS).tidy()
        assert store.archive.rows()["alerts"] == 3


def test_dead_letters_beyond_their_age_are_dropped_and_counted(tmp_path: Path) -> None:
    now = [time.time() - 40 * DAY_SECONDS]
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: now[0]) as store:
        store.letters.keep([letter(1, b"old")])
        now[0] = time.time()
        store.letters.keep([letter(2, b"new")])
        metrics = Metrics()
        keeper(store, metrics, 30 * DAY_SECONDS, 30 * DAY_SECONDS).tidy()
        assert [each.record.value for each in store.letters.kept(10).values()] == [b"new"]
        assert metrics.total("dead_letters_dropped_total") == 1


def test_a_clock_that_jumps_ahead_drops_no_dead_letter(tmp_path: Path) -> None:
    now = [time.time()]
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: now[0]) as store:
        store.letters.keep([letter(1, b"x")])
        keeper(store, Metrics(), DAY_SECONDS).tidy()
        now[0] += 365 * DAY_SECONDS
        keeper(store, Metrics(), DAY_SECONDS).tidy()
        assert store.archive.rows()["dead_letters"] == 1


def test_each_round_beats_and_says_what_it_does(store: Store) -> None:
    housekeeper = keeper(store, Metrics(), DAY_SECONDS)
    housekeeper.tidy()
    assert housekeeper.heartbeat.look().stage == "sweeping old rows from the store"
    housekeeper.tidy()
    assert housekeeper.heartbeat.look().stage == "counting rows of the store"


def test_the_engine_is_known_while_it_runs_and_forgotten_at_its_stop(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        with keeper(store, Metrics(), DAY_SECONDS):
            await_that(lambda: [each.host for each in store.instances.all()] == ["host"])
        assert store.instances.all() == []


def test_rules_that_nobody_needs_any_more_are_swept(tmp_path: Path) -> None:
    now = [time.time() - 40 * DAY_SECONDS]
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: now[0]) as store:
        for digest in ("old", "in force"):
            store.rule_sets.keep_file(digest, b"")
            store.rule_sets.note(digest, [NotedFile("/rules.yaml", False, digest)], "one")
        now[0] = time.time()
        keeper(store, Metrics(), 30 * DAY_SECONDS).tidy()
        assert not store.rule_sets.use("old", "one")
        assert store.rule_sets.use("in force", "one")


def test_rules_that_the_store_did_not_take_are_recorded_within_seconds(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: []\n")
    source = SourceFile(path, digest_of(path), path)
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        recorder = RuleRecorder(store.rule_sets, "one")
        recorder.use(RuleSet((), (), {}, (), (), digest="abc", sources=(source,)))
        replicas = Replicas(store.instances, lambda: Instance("one", "", "", ""), Metrics())
        with Housekeeper(store, Metrics(), replicas, DAY_SECONDS, 300, recorder=recorder):
            await_that(lambda: store.rule_sets.files("abc") is not None)
