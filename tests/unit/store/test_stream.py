"""What the stream stores: whole batches, once, by verdicts on what is stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import StoreUnavailableError
from engine.store import Ask, Batch, NewAlert, Past, Store
from tests.support.stored import deliveries, past, save
from tests.unit.store.samples import START_SECONDS, Samples, open_sample

START_US = int(START_SECONDS * 1e6)


def test_a_batch_without_alerts_writes_nothing(file_store: Store, tmp_path: Path) -> None:
    file_store.archive.check_writable()
    log = tmp_path / "alerts.db-wal"
    before = log.read_bytes()
    save(file_store, [])
    past(file_store, ["an-alert"], ["a key"])
    assert log.read_bytes() == before


def test_an_alert_has_a_delivery_for_each_target(store: Store, samples: Samples) -> None:
    save(store, [samples.new("mail/ann", "mail/bob", "sms/ann")])
    rows = store.archive.rows()
    assert (rows["alerts"], rows["events"], rows["deliveries"]) == (1, 1, 3)


def test_an_event_is_stored_once_however_many_rules_alert_on_it(
    store: Store, samples: Samples
) -> None:
    first = samples.new("mail/ann")
    others = [
        replace(samples.new("mail/ann", rule_id=f"rule-{number}"), digest=first.digest)
        for number in range(9)
    ]
    save(store, [first, *others])
    rows = store.archive.rows()
    assert (rows["alerts"], rows["events"]) == (10, 1)
    assert {stored.alert.event["x"] for stored in store.archive.alerts(10)} == {0.9}


def test_an_expired_alert_has_no_deliveries(store: Store, samples: Samples) -> None:
    save(store, [samples.new("mail/ann", is_expired=True)])
    (stored,) = store.archive.alerts(1)
    assert stored.is_expired
    assert stored.deliveries == ()


def test_the_past_knows_what_is_stored(store: Store, samples: Samples) -> None:
    new = samples.new("mail/ann", key="k")
    asked = [new.alert.alert_id, "another"]
    assert past(store, asked).stored == frozenset()
    save(store, [new])
    assert past(store, asked).stored == {new.alert.alert_id}


def test_an_alert_that_is_stored_already_is_skipped(store: Store, samples: Samples) -> None:
    new = samples.new("mail/ann", key="k")
    for _ in range(2):
        store.stream.decide(Ask([], {}), lambda _: Batch([new], {}))
    rows = store.archive.rows()
    assert (rows["alerts"], rows["deliveries"]) == (1, 1)


@pytest.mark.parametrize(
    ("offset", "width", "found"),
    [
        *((0, 1, True), (0, 0, False), (1, 1, False), (-1, 1, False), (7, 8, True), (-7, 8, True)),
        (0, 1 << 61, True),
    ],
)
def test_the_bounds_of_a_cooldown_are_exclusive(
    store: Store, samples: Samples, offset: int, width: int, found: bool
) -> None:
    save(store, [samples.new(key="k")])
    seen = past(store, keys=["k", "other"], moments=[(START_US + offset, width)])
    assert dict(seen.instants) == ({"k": [START_US]} if found else {})


def test_of_a_key_the_nearest_instants_before_and_after_each_moment_come_in_order(
    store: Store, samples: Samples
) -> None:
    times = [START_US + offset for offset in (5, -7, 0, 3, 9)]
    save(store, [samples.new(key="k", time_us=each) for each in times])
    moments = [(START_US + offset, 6) for offset in (4, -1, 20)]
    expected = [START_US + offset for offset in (0, 3, 5)]
    # -7 is as far from -1 as the width.
    assert past(store, keys=["k"], moments=moments).instants["k"] == expected


def test_suppressed_counts_add_up_until_an_alert_resets_them(
    store: Store, samples: Samples
) -> None:
    keys = ["k", "other", "none"]
    save(store, [samples.new()], {"k": 2, "other": 5, "none": 0})
    save(store, [samples.new()], {"k": 3})
    assert past(store, keys=keys).counts == {"k": 5, "other": 5}
    save(store, [samples.new(key="k")], {"k": 1})
    assert past(store, keys=keys).counts == {"k": 1, "other": 5}


def test_counts_can_be_saved_without_a_batch(store: Store) -> None:
    store.stream.save_suppressed({})
    store.stream.save_suppressed({"k": 2, "none": 0})
    assert past(store, keys=["k", "none"]).counts == {"k": 2}


def test_a_key_may_be_as_long_as_it_likes_and_hold_anything(store: Store, samples: Samples) -> None:
    key = "\ud800\0" + "k" * 10_000
    save(store, [samples.new(key=key)], {key + "2": 1})
    assert past(store, keys=[key]).instants[key] == [START_US]
    assert past(store, keys=[key + "2"]).counts == {key + "2": 1}


def test_a_decision_that_fails_writes_nothing(store: Store, samples: Samples) -> None:
    def decide(past: Past) -> Batch:
        raise LookupError

    with pytest.raises(LookupError):
        store.stream.decide(Ask([], {"k": [(0, 1)]}), decide)
    save(store, [samples.new()])
    assert store.archive.rows()["alerts"] == 1


def test_of_two_engines_that_see_one_car_one_makes_the_alert(
    store: Store, tool: Store, samples: Samples
) -> None:
    """The second decides when the first has stored: it finds its alert."""
    alerts = [samples.new("mail/ann", key="k") for _ in range(40)]

    def decide(one: Store, new: NewAlert) -> int:
        ask = Ask([], {"k": [(0, 1 << 62)]})
        batch = one.stream.decide(ask, lambda past: Batch([] if past.instants else [new], {}))
        return len(batch.alerts)

    def decide_all(one: Store, mine: Sequence[NewAlert]) -> int:
        return sum(decide(one, new) for new in mine)

    with ThreadPoolExecutor(2) as pool:
        halves = [pool.submit(decide_all, store, alerts[::2])]
        halves.append(pool.submit(decide_all, tool, alerts[1::2]))
        assert sum(half.result() for half in halves) == 1
    assert store.archive.rows()["alerts"] == 1


def test_a_locked_store_takes_nothing_of_a_batch_and_all_of_it_later(
    tmp_path: Path, file_store: Store, samples: Samples
) -> None:
    batch = [samples.new("mail/ann", key="k") for _ in range(3)]
    shell = sqlite3.connect(tmp_path / "alerts.db", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        save(file_store, batch, {"k": 1})
    assert not any(file_store.archive.rows().values())
    shell.execute("ROLLBACK")
    shell.close()
    save(file_store, batch, {"k": 1})
    assert file_store.archive.rows()["alerts"] == 3


def test_a_full_store_takes_nothing_of_a_batch_and_goes_on_when_there_is_room(
    tmp_path: Path, samples: Samples
) -> None:
    batch = [samples.new("mail/ann", key=f"k{i}") for i in range(100)]
    with open_sample(tmp_path, options="?max_page_count=80") as store:
        save(store, batch)
        saved = store.archive.rows()
        with pytest.raises(StoreUnavailableError, match="full"):
            save(store, [samples.new("mail/ann") for _ in range(900)], {"k": 1})
        assert store.archive.rows() == saved
        shell = sqlite3.connect(tmp_path / "alerts.db")
        for table in ("deliveries", "alerts", "events"):
            shell.execute(f"DELETE FROM {table}")
        shell.commit()
        shell.close()
        save(store, batch)
        assert store.archive.rows() == saved


def test_a_mistake_inside_a_batch_undoes_all_of_it(store: Store, samples: Samples) -> None:
    huge = replace(samples.new(), time_us=1 << 70)
    with pytest.raises(Exception, match=r"."):
        save(store, [samples.new(), huge])
    assert store.archive.rows()["alerts"] == 0
    save(store, [samples.new()])


def test_what_a_batch_has_stored_can_be_delivered(store: Store, samples: Samples) -> None:
    new = samples.new("mail/ann")
    save(store, [new])
    (delivery,) = deliveries(store, "mail/ann")
    assert (delivery.channel, delivery.tries, delivery.reason) == ("mail", 0, "")
