"""What the stream stores: whole batches, once, and what cooldowns ask for."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import StoreUnavailableError
from engine.store.sqlite import SqliteStore
from engine.stream.record import DeadLetter, DeadLetterType, Record
from tests.unit.store.samples import START_SECONDS, Samples, open_sample

START_US = int(START_SECONDS * 1e6)

RECORD = Record(
    topic="plates",
    partition=3,
    offset=17,
    timestamp_ms=1_766_678_400_123,
    key=b"\x00camera",
    value=bytes(range(256)),
    headers=(("trace", b"\xff\x00"), ("trace", None), ("empty", b"")),
)
LETTER = DeadLetter(
    RECORD, DeadLetterType.SCHEMA_VALIDATION, "the body is cut off", "Traceback", retry_count=2
)


def kept(store: SqliteStore, limit: int = 10) -> list[DeadLetter]:
    """The letters that the store keeps, the oldest first."""
    return list(store.kept_dead_letters(limit).values())


def test_a_batch_without_alerts_writes_nothing(store: SqliteStore, tmp_path: Path) -> None:
    store.check_writable()
    log = tmp_path / "alerts.db-wal"
    before = log.read_bytes()
    store.save([], {"key": 3})
    assert log.read_bytes() == before


def test_an_alert_has_a_delivery_for_each_target(store: SqliteStore, samples: Samples) -> None:
    store.save([samples.new("mail/ann", "mail/bob", "sms/ann")])
    assert store.rows() == {
        "alerts": 1,
        "deliveries": 3,
        "dead_letters": 0,
        "holds": 0,
        "suppressed": 0,
    }


def test_an_expired_alert_has_no_deliveries(store: SqliteStore, samples: Samples) -> None:
    store.save([samples.new("mail/ann", is_expired=True)])
    (stored,) = store.alerts(1)
    assert stored.is_expired
    assert stored.deliveries == ()


def test_an_event_is_stored_once_for_a_rule(store: SqliteStore, samples: Samples) -> None:
    first = samples.new("mail/ann", key="k")
    again = replace(samples.new("mail/ann", key="k"), digest=first.digest)
    other_rule = replace(samples.new("mail/ann", rule_id="other"), digest=first.digest)
    assert not store.has_alert(first.digest, "a_rule")
    store.save([first])
    store.save([again, other_rule])
    assert [each.alert.alert_id for each in store.waiting("mail/ann", 9)] == [
        first.alert.alert_id,
        other_rule.alert.alert_id,
    ]
    assert store.rows()["deliveries"] == 2
    assert store.has_alert(first.digest, "a_rule")
    assert store.has_alert(first.digest, "other")
    assert not store.has_alert(first.digest, "third")


def test_a_batch_that_is_saved_again_changes_nothing(store: SqliteStore, samples: Samples) -> None:
    batch = [samples.new("mail/ann", key="k"), samples.new("sms/bob")]
    store.save(batch)
    rows = store.rows()
    store.save(batch)
    assert store.rows() == rows


@pytest.mark.parametrize(
    ("after", "before", "found"),
    [(-1, 1, True), (0, 1, False), (-1, 0, False), (-(1 << 62), 1 << 62, True), (1, 5, False)],
)
def test_the_bounds_of_a_cooldown_are_exclusive(
    store: SqliteStore, samples: Samples, after: int, before: int, found: bool
) -> None:
    store.save([samples.new(key="k")])
    assert store.has_alert_between("k", START_US + after, START_US + before) is found
    assert not store.has_alert_between("other", START_US + after, START_US + before)


def test_suppressed_counts_add_up_until_an_alert_resets_them(
    store: SqliteStore, samples: Samples
) -> None:
    store.save([samples.new()], {"k": 2, "other": 5, "none": 0})
    store.save([samples.new()], {"k": 3})
    assert store.suppressed_count("k") == 5
    store.save([samples.new(key="k")], {"k": 1})
    assert store.suppressed_count("k") == 1
    assert store.suppressed_count("other") == 5
    assert store.suppressed_count("none") == 0
    assert store.rows()["suppressed"] == 2


def test_an_alert_that_is_stored_already_resets_no_count(
    store: SqliteStore, samples: Samples
) -> None:
    batch = [samples.new(key="k")]
    store.save(batch, {"k": 2})
    store.save(batch)
    assert store.suppressed_count("k") == 2


def test_counts_can_be_saved_without_a_batch(store: SqliteStore) -> None:
    store.save_suppressed({})
    store.save_suppressed({"k": 2})
    assert store.suppressed_count("k") == 2


def test_a_dead_letter_comes_back_byte_for_byte(store: SqliteStore) -> None:
    record = replace(RECORD, offset=18, key=None, value=None, headers=())
    bare = replace(LETTER, record=record, stack_trace=None)
    store.keep_dead_letters([LETTER, bare])
    assert kept(store) == [LETTER, bare]
    assert kept(store, 1) == [LETTER]


def test_a_record_is_kept_once_unless_its_bytes_are_others(store: SqliteStore) -> None:
    record = replace(RECORD, value=b"a topic made anew counts from 0 again")
    other = replace(LETTER, record=record)
    store.keep_dead_letters([LETTER])
    store.keep_dead_letters([LETTER, other])
    assert kept(store) == [LETTER, other]


def test_a_dropped_dead_letter_is_gone(store: SqliteStore) -> None:
    other = replace(LETTER, record=replace(RECORD, offset=18))
    store.keep_dead_letters([LETTER, other])
    store.drop_dead_letters([])
    store.drop_dead_letters(store.kept_dead_letters(1))
    assert kept(store) == [other]


def test_a_locked_store_takes_nothing_of_a_batch_and_all_of_it_later(
    tmp_path: Path, store: SqliteStore, samples: Samples
) -> None:
    batch = [samples.new("mail/ann", key="k") for _ in range(3)]
    shell = sqlite3.connect(tmp_path / "alerts.db", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.save(batch, {"k": 1})
    assert not any(store.rows().values())
    shell.execute("ROLLBACK")
    shell.close()
    store.save(batch, {"k": 1})
    assert store.rows()["alerts"] == 3


def test_a_full_store_takes_nothing_of_a_batch_and_goes_on_when_there_is_room(
    tmp_path: Path, samples: Samples
) -> None:
    batch = [samples.new("mail/ann", key=f"k{i}") for i in range(100)]
    with open_sample(tmp_path, options="?max_page_count=60") as store:
        store.save(batch)
        saved = store.rows()
        with pytest.raises(StoreUnavailableError, match="full"):
            store.save([samples.new("mail/ann") for _ in range(500)], {"k": 1})
        assert store.rows() == saved
        shell = sqlite3.connect(tmp_path / "alerts.db")
        shell.execute("DELETE FROM deliveries")
        shell.execute("DELETE FROM alerts")
        shell.commit()
        shell.close()
        store.save(batch)
        assert store.rows() == saved


def test_a_mistake_inside_a_batch_undoes_all_of_it(store: SqliteStore, samples: Samples) -> None:
    huge = replace(samples.new(), time_us=1 << 70)
    with pytest.raises(OverflowError):
        store.save([samples.new(), huge])
    assert store.rows()["alerts"] == 0
    store.save([samples.new()])
