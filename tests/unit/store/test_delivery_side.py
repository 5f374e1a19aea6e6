"""What the delivery workers find, mark and hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from channels.alert import Priority
from engine.store import Backlog, DeliveryState, Hold, OpenMode, StoredDelivery
from engine.store.sides import DELIVERIES_AT_ONCE
from engine.store.sqlite import SqliteStore, open_store
from tests.unit.store.samples import Clock, Samples, open_sample, state_url


def ids(store: SqliteStore, target_id: str = "mail/ann") -> list[int]:
    return [delivery.delivery_id for delivery in store.waiting(target_id, 1000)]


def only_delivery(store: SqliteStore) -> StoredDelivery:
    (stored,) = store.alerts(1)
    (delivery,) = stored.deliveries
    return delivery


def test_deliveries_wait_by_priority_then_by_age(store: SqliteStore, samples: Samples) -> None:
    for priority in (Priority.LOW, Priority.HIGH, Priority.MEDIUM, Priority.HIGH):
        store.save([samples.new("mail/ann", priority=priority)])
    found = [each.alert.alert_id for each in store.waiting("mail/ann", 10)]
    assert found == ["alert-00002", "alert-00004", "alert-00003", "alert-00001"]


def test_a_delivery_holds_the_alert_as_it_was_stored(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    new = samples.new("mail/ann")
    store.save([new])
    (delivery,) = store.waiting("mail/ann", 1)
    assert delivery.alert == new.alert
    assert (delivery.channel, delivery.target_id) == ("mail", "mail/ann")
    assert (delivery.tries, delivery.reason, delivery.detail) == (0, "", "")
    assert delivery.waiting_since_us == clock.us


def test_what_is_excluded_does_not_count_against_the_limit(
    store: SqliteStore, samples: Samples
) -> None:
    store.save([samples.new("mail/ann") for _ in range(5)])
    first, second, third, fourth, _ = ids(store)
    found = store.waiting("mail/ann", 2, exclude={first, third})
    assert [each.delivery_id for each in found] == [second, fourth]


def test_a_sent_delivery_waits_no_longer(store: SqliteStore, samples: Samples) -> None:
    store.save([samples.new("mail/ann")])
    (delivery_id,) = ids(store)
    store.record_try(delivery_id, "timeout", "10 s")
    store.mark_sent(delivery_id)
    assert ids(store) == []
    sent = only_delivery(store)
    assert (sent.state, sent.tries, sent.reason) == (DeliveryState.SENT, 2, "")


def test_a_failed_try_is_counted_and_told(store: SqliteStore, samples: Samples) -> None:
    store.save([samples.new("mail/ann")])
    store.record_try(ids(store)[0], "timeout", "after 10 s")
    store.record_try(ids(store)[0], "server_error", "503")
    (delivery,) = store.waiting("mail/ann", 1)
    assert (delivery.tries, delivery.reason, delivery.detail) == (2, "server_error", "503")


def test_a_dead_delivery_tells_why(store: SqliteStore, samples: Samples, clock: Clock) -> None:
    store.save([samples.new("mail/ann")])
    (delivery_id,) = ids(store)
    clock.seconds += 5
    store.mark_dead(delivery_id, "bad_request", "400", is_try=True)
    store.mark_dead(delivery_id, "hold_expired")
    dead = only_delivery(store)
    assert (dead.state, dead.tries, dead.reason) == (DeliveryState.DEAD, 1, "bad_request")
    assert dead.changed_us == clock.us


def test_a_sent_delivery_is_never_given_up(store: SqliteStore, samples: Samples) -> None:
    store.save([samples.new("mail/ann")])
    (delivery_id,) = ids(store)
    store.mark_sent(delivery_id)
    store.mark_dead(delivery_id, "hold_expired")
    assert only_delivery(store).state is DeliveryState.SENT


def test_a_target_that_is_gone_is_given_up_in_portions(
    store: SqliteStore, samples: Samples
) -> None:
    store.save([samples.new("mail/ann", "mail/bob") for _ in range(2 * DELIVERIES_AT_ONCE + 1)])
    numbers = [store.mark_all_dead("mail/ann", "channel_removed") for _ in range(4)]
    assert numbers == [DELIVERIES_AT_ONCE, DELIVERIES_AT_ONCE, 1, 0]
    assert store.backlogs() == [Backlog("mail/bob", "mail", 2 * DELIVERIES_AT_ONCE + 1)]


def test_giving_up_spares_the_young_and_those_in_flight(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    store.save([samples.new("mail/ann") for _ in range(3)])
    in_flight = ids(store)[0]
    clock.seconds += 60
    store.save([samples.new("mail/ann")])
    young = ids(store)[-1]
    number = store.mark_all_dead(
        "mail/ann", "hold_expired", waiting_before_us=clock.us, exclude={in_flight}
    )
    assert number == 2
    assert ids(store) == [in_flight, young]


def test_a_hold_longer_than_all_of_time_gives_nothing_up(
    store: SqliteStore, samples: Samples
) -> None:
    store.save([samples.new("mail/ann")])
    assert store.mark_all_dead("mail/ann", "hold_expired", waiting_before_us=-(1 << 60)) == 0
    assert len(ids(store)) == 1


def test_a_detail_that_no_database_takes_is_written_all_the_same(
    store: SqliteStore, samples: Samples
) -> None:
    store.save([samples.new("mail/ann")])
    store.hold("mail/ann", "mail", "timeout", "a\ud800b", since_us=100)
    store.record_try(ids(store)[0], "timeout", "a\ud800b")
    store.mark_dead(ids(store)[0], "bad_request", "a\ud800b")
    assert store.holds()[0].detail == "a?b"


def test_backlogs_name_every_target_that_waits(store: SqliteStore, samples: Samples) -> None:
    store.save([samples.new("mail/ann", "sms/bob"), samples.new("mail/ann")])
    assert store.backlogs() == [Backlog("mail/ann", "mail", 2), Backlog("sms/bob", "sms", 1)]
    store.mark_sent(ids(store, "sms/bob")[0])
    assert store.backlogs() == [Backlog("mail/ann", "mail", 2)]


def test_a_hold_keeps_its_beginning_and_tells_the_latest_reason(store: SqliteStore) -> None:
    store.hold("mail/ann", "mail", "timeout", "", since_us=100)
    store.hold("mail/ann", "mail", "unauthorized", "401", since_us=200)
    assert store.holds() == [Hold("mail/ann", "mail", "unauthorized", "401", 100)]
    store.release("mail/ann")
    store.release("mail/bob")
    assert store.holds() == []


def test_holds_and_tries_outlive_a_restart(tmp_path: Path, samples: Samples) -> None:
    with open_sample(tmp_path) as store:
        store.save([samples.new("mail/ann")])
        store.record_try(ids(store)[0], "timeout")
        store.hold("mail/ann", "mail", "timeout", "", 100)
    with open_sample(tmp_path) as store:
        assert [hold.target_id for hold in store.holds()] == ["mail/ann"]
        assert store.waiting("mail/ann", 1)[0].tries == 1


def test_only_a_redelivery_changes_the_token(
    tmp_path: Path, store: SqliteStore, samples: Samples
) -> None:
    before = store.changes_token()
    store.save([samples.new("mail/ann")])
    store.mark_dead(ids(store)[0], "bad_request")
    assert store.changes_token() == before
    with open_sample(tmp_path, OpenMode.TOOL) as tool:
        tool.redeliver()
    assert store.changes_token() != before
    assert len(ids(store)) == 1


def test_many_workers_mark_while_the_stream_stores(tmp_path: Path, samples: Samples) -> None:
    # Without any wait for SQLite's own lock: inside one process nothing meets it.
    with open_store(state_url(tmp_path), busy_timeout_seconds=0.0) as store:
        store.save([samples.new("mail/ann") for _ in range(200)])
        with ThreadPoolExecutor(6) as pool:
            marks = [pool.submit(store.mark_sent, delivery_id) for delivery_id in ids(store)]
            for _ in range(30):
                store.save([samples.new("sms/bob")])
            for mark in marks:
                mark.result()
        assert store.backlogs() == [Backlog("sms/bob", "sms", 30)]


def test_an_id_is_never_used_again(store: SqliteStore, samples: Samples, clock: Clock) -> None:
    store.save([samples.new("mail/ann")])
    (first,) = ids(store)
    store.mark_sent(first)
    clock.seconds += 400 * 86_400
    assert store.sweep(0, 0, clock.us) == 1
    store.save([samples.new("mail/ann")])
    assert ids(store)[0] > first


def test_deliveries_are_handed_over_once_to_each_successor_with_their_age(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    store.save([samples.new("mail/?", priority=Priority.HIGH), samples.new("mail/?", "mail/ann")])
    stored_us = clock.us
    clock.seconds += 60
    assert store.hand_over("mail/?", ["mail/ann", "mail/bob"]) == 2
    assert store.hand_over("mail/?", ["mail/ann", "mail/bob"]) == 0
    for successor in ("mail/ann", "mail/bob"):
        found = store.waiting(successor, 10)
        assert [each.alert.alert_id for each in found] == ["alert-00001", "alert-00002"]
        assert {each.waiting_since_us for each in found} == {stored_us}
    assert {backlog.target_id for backlog in store.backlogs()} == {"mail/ann", "mail/bob"}


def test_a_successor_that_had_the_alert_does_not_get_it_again(
    store: SqliteStore, samples: Samples
) -> None:
    store.save([samples.new("mail/?", "mail/ann", "mail/bob")])
    store.mark_sent(ids(store, "mail/ann")[0])
    store.mark_dead(ids(store, "mail/bob")[0], "bad_request")
    store.hand_over("mail/?", ["mail/ann", "mail/bob"])
    assert store.backlogs() == []


def test_a_successor_whose_recipient_has_the_alert_by_another_target_does_not_get_it_again(
    store: SqliteStore, samples: Samples
) -> None:
    store.save([samples.new("mail/?", "copy/ann"), samples.new("mail/?")])
    ann = ["mail/ann", "copy/ann", "mail/ann-2"]
    same = {"mail/ann": ann, "mail/ann-2": ann}
    assert store.hand_over("mail/?", ["mail/ann", "mail/ann-2", "mail/bob"], same=same) == 2
    found = {
        target: [each.alert.alert_id for each in store.waiting(target, 9)]
        for target in ("copy/ann", "mail/ann", "mail/ann-2", "mail/bob")
    }
    assert found == {
        "copy/ann": ["alert-00001"],
        "mail/ann": ["alert-00002"],
        "mail/ann-2": [],
        "mail/bob": ["alert-00001", "alert-00002"],
    }


def test_what_is_excluded_and_what_is_beyond_the_limit_is_not_handed_over(
    store: SqliteStore, samples: Samples
) -> None:
    store.save([samples.new("mail/?") for _ in range(DELIVERIES_AT_ONCE + 2)])
    first, *_ = ids(store, "mail/?")
    assert store.hand_over("mail/?", ["mail/ann"], exclude={first}) == DELIVERIES_AT_ONCE
    assert [each.alert.alert_id for each in store.waiting("mail/ann", 2)] == [
        "alert-00002",
        "alert-00003",
    ]
    assert store.backlogs() == [
        Backlog("mail/?", "mail", 2),
        Backlog("mail/ann", "mail", DELIVERIES_AT_ONCE),
    ]
