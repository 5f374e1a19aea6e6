"""What people see and open again, and what retention takes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import StoreUnavailableError
from engine.schema.event import LATEST_EVENT_SECONDS
from engine.store import AlertFilter, DeliveryState, OpenMode, Redelivery
from engine.store.sides import SWEPT_AT_ONCE
from engine.store.sqlite import SqliteStore
from tests.unit.store.samples import DAY_SECONDS, Clock, Samples, open_sample

DAY_US = round(DAY_SECONDS * 1e6)


@pytest.fixture
def three(store: SqliteStore, samples: Samples, clock: Clock) -> None:
    """Three alerts, a second apart: mail sent, mail dead and sms waiting, sms dead."""
    store.save([samples.new("mail/ann")])
    clock.seconds += 1
    store.save([samples.new("mail/bob", "sms/bob", rule_id="other")])
    clock.seconds += 1
    store.save([samples.new("sms/ann")])
    store.mark_sent(store.waiting("mail/ann", 1)[0].delivery_id)
    store.mark_dead(store.waiting("mail/bob", 1)[0].delivery_id, "bad_request", "400")
    clock.seconds += 1
    store.mark_dead(store.waiting("sms/ann", 1)[0].delivery_id, "hold_expired")


def listed(store: SqliteStore, only: AlertFilter) -> list[str]:
    return [stored.alert.alert_id[-1] for stored in store.alerts(10, only)]


@pytest.mark.usefixtures("three")
def test_the_newest_alerts_come_first(store: SqliteStore) -> None:
    assert listed(store, AlertFilter()) == ["3", "2", "1"]
    assert [stored.alert.alert_id for stored in store.alerts(1)] == ["alert-00003"]


@pytest.mark.usefixtures("three")
def test_a_list_may_be_restricted(store: SqliteStore, clock: Clock) -> None:
    assert listed(store, AlertFilter(rule_id="other")) == ["2"]
    assert listed(store, AlertFilter(channel="mail")) == ["2", "1"]
    assert listed(store, AlertFilter(state=DeliveryState.DEAD)) == ["3", "2"]
    assert listed(store, AlertFilter(channel="mail", state=DeliveryState.DEAD)) == ["2"]
    assert listed(store, AlertFilter(channel="sms", state=DeliveryState.SENT)) == []
    assert listed(store, AlertFilter(since_us=clock.us - 1_500_000)) == ["3"]


@pytest.mark.usefixtures("three")
def test_an_alert_is_shown_with_its_record_and_deliveries(store: SqliteStore) -> None:
    stored = store.alert("alert-00002")
    assert stored is not None
    assert (stored.topic, stored.partition, stored.offset) == ("plates", 2, 2)
    shown = [(each.target_id, each.state, each.reason, each.detail) for each in stored.deliveries]
    assert shown == [
        ("mail/bob", DeliveryState.DEAD, "bad_request", "400"),
        ("sms/bob", DeliveryState.WAITING, "", ""),
    ]


@pytest.mark.usefixtures("three")
def test_a_unique_beginning_of_an_id_is_enough(store: SqliteStore, samples: Samples) -> None:
    samples.made = 9
    store.save([samples.new()])
    found = store.alert("alert-0001")
    assert found is not None
    assert found.alert.alert_id == "alert-00010"
    assert store.alert("alert-0000") is None
    assert store.alert("beta") is None
    assert store.alert("") is None


@pytest.mark.usefixtures("three")
def test_dead_deliveries_are_opened_again_and_nothing_else(
    store: SqliteStore, clock: Clock
) -> None:
    clock.seconds += 60
    assert store.redeliver() == Redelivery(reopened=2, released=0)
    (delivery,) = store.waiting("mail/bob", 1)
    assert (delivery.tries, delivery.waiting_since_us) == (0, clock.us)
    assert store.waiting("mail/ann", 1) == []
    assert store.redeliver().reopened == 0


@pytest.mark.usefixtures("three")
def test_a_redelivery_may_be_restricted(store: SqliteStore, clock: Clock) -> None:
    assert store.redeliver(channel="mail", dead_since_us=clock.us).reopened == 0
    assert store.redeliver(dead_since_us=clock.us).reopened == 1
    assert store.redeliver(channel="mail").reopened == 1


@pytest.mark.usefixtures("three")
def test_a_sent_delivery_is_opened_again_when_its_alert_is_named(store: SqliteStore) -> None:
    assert store.redeliver(["alert-00001"]).reopened == 1
    assert store.redeliver(["alert-00002"], channel="sms").reopened == 0
    assert store.redeliver(["alert-00002", "none"]).reopened == 1
    assert len(store.waiting("mail/ann", 9)) == 1


def test_what_was_sent_is_repeated_under_a_new_id_and_what_is_dead_keeps_its_own(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    store.save([samples.new("hook/a", "hook/b", "hook/c"), samples.new("hook/a")])
    sent, dead, waiting = (store.waiting(f"hook/{name}", 1)[0] for name in "abc")
    store.mark_sent(sent.delivery_id)
    store.mark_dead(dead.delivery_id, "timeout")
    clock.seconds += 60
    assert store.redeliver([sent.alert.alert_id]).reopened == 2
    others, again = store.waiting("hook/a", 9)
    assert again.delivery_id not in {sent.delivery_id, others.delivery_id, waiting.delivery_id}
    assert (again.alert, again.tries, again.waiting_since_us) == (sent.alert, 0, clock.us)
    assert store.waiting("hook/b", 9)[0].delivery_id == dead.delivery_id
    assert store.waiting("hook/c", 9) == [waiting]
    stored = store.alert(sent.alert.alert_id)
    assert stored is not None
    assert len(stored.deliveries) == 3


@pytest.mark.usefixtures("three")
def test_a_redelivery_releases_the_holds_that_it_concerns(store: SqliteStore) -> None:
    for target in ("mail/ann", "mail/bob", "sms/bob"):
        store.hold(target, target[: target.index("/")], "timeout", "", 1)
    assert store.redeliver(["alert-00002"], channel="mail") == Redelivery(1, released=1)
    assert [hold.target_id for hold in store.holds()] == ["mail/ann", "sms/bob"]
    assert store.redeliver(channel="sms").released == 1
    assert store.redeliver().released == 1


def test_a_great_many_dead_deliveries_are_all_opened(store: SqliteStore, samples: Samples) -> None:
    targets = [f"mail/{number}" for number in range(100)]
    store.save([samples.new(*targets) for _ in range(21)])
    for target in targets:
        store.mark_all_dead(target, "channel_removed")
    assert store.redeliver().reopened == 2_100


def test_retention_takes_old_alerts_in_portions(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    plain = [samples.new() for _ in range(2 * SWEPT_AT_ONCE - 4)]
    store.save(plain + [samples.new("mail/ann") for _ in range(5)], {"k": 1})
    while store.waiting("mail/ann", 1):
        store.mark_sent(store.waiting("mail/ann", 1)[0].delivery_id)
    clock.seconds += 31 * DAY_SECONDS
    store.save([samples.new(time_us=clock.us)])
    numbers = [store.sweep(30 * DAY_SECONDS, 300, clock.us) for _ in range(4)]
    assert numbers == [SWEPT_AT_ONCE, SWEPT_AT_ONCE, 1, 0]
    assert store.rows() == {
        "alerts": 1,
        "deliveries": 0,
        "dead_letters": 0,
        "holds": 0,
        "suppressed": 0,
    }


def test_nothing_is_taken_within_the_retention(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    store.save([samples.new()], {"k": 1})
    clock.seconds += 30 * DAY_SECONDS
    assert store.sweep(30 * DAY_SECONDS, 300, clock.us) == 0
    assert store.suppressed_count("k") == 1


def test_an_open_delivery_keeps_its_alert(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    store.save([samples.new("mail/ann", "sms/bob"), samples.new()])
    store.mark_sent(store.waiting("sms/bob", 1)[0].delivery_id)
    clock.seconds += 99 * DAY_SECONDS
    assert store.sweep(DAY_SECONDS, 0, clock.us) == 1
    assert store.rows()["deliveries"] == 2
    store.mark_dead(store.waiting("mail/ann", 1)[0].delivery_id, "hold_expired")
    assert store.sweep(DAY_SECONDS, 0, clock.us) == 1


def test_an_alert_that_a_cooldown_may_need_is_kept(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    cooldown_seconds = 60 * DAY_SECONDS
    store.save([samples.new(key="k")])
    clock.seconds += cooldown_seconds + LATEST_EVENT_SECONDS
    assert store.sweep(DAY_SECONDS, cooldown_seconds, clock.us) == 0
    clock.seconds += 1
    assert store.sweep(DAY_SECONDS, cooldown_seconds, clock.us) == 1


def test_a_recently_stored_alert_of_an_old_event_is_kept(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    store.save([samples.new(key="k", time_us=clock.us - int(400 * DAY_SECONDS * 1e6))])
    assert store.sweep(DAY_SECONDS, 0, clock.us) == 0


def test_an_alert_of_an_event_ahead_of_our_clock_is_kept(
    store: SqliteStore, samples: Samples, clock: Clock
) -> None:
    store.save([samples.new(key="k", time_us=clock.us + int(90 * DAY_SECONDS * 1e6))])
    clock.seconds += 90 * DAY_SECONDS
    assert store.sweep(DAY_SECONDS, 0, clock.us) == 0


def test_old_counts_go_even_without_old_alerts(store: SqliteStore, clock: Clock) -> None:
    store.save_suppressed({"k": 1})
    clock.seconds += 99 * DAY_SECONDS
    assert store.sweep(DAY_SECONDS, 0, clock.us) == 0
    assert store.rows()["suppressed"] == 0


def test_a_writable_store_passes_its_check_and_a_missing_one_does_not(
    tmp_path: Path, store: SqliteStore
) -> None:
    store.check_writable()
    (tmp_path / "alerts.db").rename(tmp_path / "away.db")
    with pytest.raises(StoreUnavailableError, match="is gone"):
        store.check_writable()
    (tmp_path / "away.db").rename(tmp_path / "alerts.db")
    store.check_writable()


def test_a_tool_sees_and_opens_what_a_running_engine_stored(
    tmp_path: Path, store: SqliteStore, samples: Samples
) -> None:
    store.save([samples.new("mail/ann")])
    store.mark_dead(store.waiting("mail/ann", 1)[0].delivery_id, "bad_request")
    with open_sample(tmp_path, OpenMode.TOOL) as tool:
        assert tool.alerts(9) == store.alerts(9)
        assert tool.redeliver(["alert-00001"]).reopened == 1
    assert len(store.waiting("mail/ann", 9)) == 1


@pytest.mark.parametrize("ahead_days", [2, 365, 365 * 56])
def test_a_clock_that_is_ahead_takes_the_sweep_a_day_further_at_most(
    store: SqliteStore, clock: Clock, ahead_days: int
) -> None:
    right = store.begin_sweep()
    clock.seconds += ahead_days * DAY_SECONDS
    assert store.begin_sweep() == right + DAY_US
    assert store.begin_sweep() == right + 2 * DAY_US


def test_a_clock_that_is_put_back_sweeps_by_what_it_shows(store: SqliteStore, clock: Clock) -> None:
    right = store.begin_sweep()
    clock.seconds -= 3 * DAY_SECONDS
    assert store.begin_sweep() == right - 3 * DAY_US
    clock.seconds += 3 * DAY_SECONDS
    assert store.begin_sweep() == right


def test_a_clock_that_was_never_set_is_no_beginning(store: SqliteStore, clock: Clock) -> None:
    right_seconds, clock.seconds = clock.seconds, 60.0
    assert store.begin_sweep() == clock.us
    clock.seconds = right_seconds
    assert store.begin_sweep() == clock.us


def test_rows_are_old_by_the_instant_of_the_sweep(
    store: SqliteStore, clock: Clock, samples: Samples
) -> None:
    store.save([samples.new(time_us=clock.us)])
    now_us = store.begin_sweep()
    clock.seconds += 365 * DAY_SECONDS
    assert store.sweep(DAY_SECONDS, 0, now_us) == 0
    assert store.sweep(DAY_SECONDS, 0, clock.us) == 1
