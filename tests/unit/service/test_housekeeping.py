from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.alert import Alert, Priority
from engine.metrics import Metrics
from engine.service.housekeeping import Housekeeper
from engine.store import NewAlert, Store, open_store
from engine.stream.record import DeadLetter, DeadLetterType, Record

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


def test_rows_and_waiting_dead_letters_are_counted(store: Store) -> None:
    store.keep_dead_letters([letter(1, b"x")])
    metrics = Metrics()
    Housekeeper(store, metrics, DAY_SECONDS, 300).tidy()
    text = metrics.exposition().decode()
    assert 'alert_engine_store_rows{table="dead_letters"} 1.0' in text
    assert 'alert_engine_store_rows{table="alerts"} 0.0' in text
    assert "alert_engine_dead_letters_waiting 1.0" in text


def test_rows_beyond_their_retention_are_swept(tmp_path: Path) -> None:
    now = [time.time() - 365 * DAY_SECONDS]
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: now[0]) as store:
        store.save([old_alert(number) for number in range(300)])
        now[0] = time.time()
        Housekeeper(store, Metrics(), 30 * DAY_SECONDS, 300).tidy()
        assert store.rows()["alerts"] == 0


def test_a_store_in_trouble_ends_nothing(store: Store) -> None:
    store.close()
    with Housekeeper(store, Metrics(), DAY_SECONDS, 300) as housekeeper:
        housekeeper.tidy()


def test_a_clock_that_jumps_a_year_ahead_sweeps_no_alert_of_today(tmp_path: Path) -> None:
    now = [time.time()]
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: now[0]) as store:
        Housekeeper(store, Metrics(), 30 * DAY_SECONDS, 300).tidy()
        store.save([old_alert(number) for number in range(3)])
        now[0] += 365 * DAY_SECONDS
        Housekeeper(store, Metrics(), 30 * DAY_SECONDS, 300).tidy()
        assert store.rows()["alerts"] == 3


def test_dead_letters_beyond_their_age_are_dropped_and_counted(tmp_path: Path) -> None:
    now = [time.time() - 40 * DAY_SECONDS]
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: now[0]) as store:
        store.keep_dead_letters([letter(1, b"old")])
        now[0] = time.time()
        store.keep_dead_letters([letter(2, b"new")])
        metrics = Metrics()
        Housekeeper(store, metrics, 30 * DAY_SECONDS, 300, 30 * DAY_SECONDS).tidy()
        assert [each.record.value for each in store.kept_dead_letters(10).values()] == [b"new"]
        assert metrics.total("dead_letters_dropped_total") == 1


def test_a_clock_that_jumps_ahead_drops_no_dead_letter(tmp_path: Path) -> None:
    now = [time.time()]
    with open_store(f"sqlite:///{tmp_path}/alerts.db", clock=lambda: now[0]) as store:
        store.keep_dead_letters([letter(1, b"x")])
        Housekeeper(store, Metrics(), DAY_SECONDS, 300).tidy()
        now[0] += 365 * DAY_SECONDS
        Housekeeper(store, Metrics(), DAY_SECONDS, 300).tidy()
        assert store.rows()["dead_letters"] == 1


def test_each_round_beats_and_says_what_it_does(store: Store) -> None:
    housekeeper = Housekeeper(store, Metrics(), DAY_SECONDS, 300)
    housekeeper.tidy()
    assert housekeeper.heartbeat.look().stage == "sweeping old rows from the store"
    housekeeper.tidy()
    assert housekeeper.heartbeat.look().stage == "counting rows of the store"
