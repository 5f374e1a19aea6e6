"""What people see and open again, and what retention takes away."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pytest

from channels.alert import Priority
from engine.errors import StoreUnavailableError
from engine.schema.event import LATEST_EVENT_SECONDS
from engine.store import AlertFilter, Ask, DeliveryState, Redelivery, Store
from engine.store.archive import SWEPT_AT_ONCE
from tests.support.stored import claim, deliveries, finish, hold, past, save
from tests.unit.store.samples import DAY_SECONDS, Clock, Samples

DAY_US = round(DAY_SECONDS * 1e6)


@pytest.fixture
def three(store: Store, samples: Samples, clock: Clock) -> None:
    """Three alerts, a second apart: mail sent, mail dead and sms waiting, sms dead."""
    save(store, [samples.new("mail/ann")])
    clock.seconds += 1
    save(store, [samples.new("mail/bob", "sms/bob", rule_id="other")])
    clock.seconds += 1
    save(store, [samples.new("sms/ann")])
    finish(store, "mail/ann", DeliveryState.SENT, limit=1)
    finish(store, "mail/bob", DeliveryState.DEAD, limit=1, reason="bad_request", detail="400")
    clock.seconds += 1
    finish(store, "sms/ann", DeliveryState.DEAD, limit=1, reason="hold_expired")


def listed(store: Store, only: AlertFilter) -> list[str]:
    return [stored.alert.alert_id[-1] for stored in store.archive.alerts(10, only)]


@pytest.mark.usefixtures("three")
def test_the_newest_alerts_come_first(store: Store) -> None:
    assert listed(store, AlertFilter()) == ["3", "2", "1"]
    assert [stored.alert.alert_id for stored in store.archive.alerts(1)] == ["alert-00003"]


@pytest.mark.usefixtures("three")
def test_a_list_may_be_restricted(store: Store, clock: Clock) -> None:
    assert listed(store, AlertFilter(rule_id="other")) == ["2"]
    assert listed(store, AlertFilter(channel="mail")) == ["2", "1"]
    assert listed(store, AlertFilter(state=DeliveryState.DEAD)) == ["3", "2"]
    assert listed(store, AlertFilter(channel="mail", state=DeliveryState.DEAD)) == ["2"]
    assert listed(store, AlertFilter(channel="sms", state=DeliveryState.SENT)) == []
    assert listed(store, AlertFilter(since_us=clock.us - 1_500_000)) == ["3"]


def test_alerts_are_listed_by_plate_and_by_camera(
    store: Store, samples: Samples, clock: Clock
) -> None:
    for plate, camera in (("AB-12 C", "gate"), ("AB12C", "yard"), ("XY9", "gate"), (12, "gate")):
        samples.event = {"plate": {"normalized_text": plate}, "camera_id": camera}
        save(store, [samples.new()])
        clock.seconds += 1
    assert listed(store, AlertFilter(plate="ab 12-c")) == ["2", "1"]
    assert listed(store, AlertFilter(plate="AB12")) == []
    assert listed(store, AlertFilter(camera_id="gate")) == ["4", "3", "1"]
    assert listed(store, AlertFilter(camera_id="Gate")) == []
    assert listed(store, AlertFilter(plate="AB12C", camera_id="gate")) == ["1"]
    assert listed(store, AlertFilter(camera_id="gate", rule_id="other")) == []


def test_near_matches_are_listed_by_the_plate_that_was_meant_too(
    store: Store, samples: Samples, clock: Clock
) -> None:
    for plate, matched in (("A8C123", "ABC123"), ("ABC123", ""), ("ABC123", "A8C123"), ("XY9", "")):
        samples.event = {"plate": {"normalized_text": plate}, "camera_id": "gate"}
        new = samples.new()
        alert = replace(new.alert, matched_plate=matched, likeness=0.97 if matched else 1.0)
        save(store, [replace(new, alert=alert)])
        clock.seconds += 1
    assert listed(store, AlertFilter(plate="abc-123")) == ["3", "2", "1"]
    assert listed(store, AlertFilter(plate="A8C123")) == ["3", "1"]
    newest = store.archive.alerts(1, AlertFilter(plate="A8C123"))
    assert [stored.alert.alert_id for stored in newest] == ["alert-00003"]
    assert listed(store, AlertFilter(plate="ABC123", camera_id="yard")) == []
    assert listed(store, AlertFilter(plate="")) == []


@pytest.mark.usefixtures("three")
def test_the_end_of_a_list_is_the_moment_before(store: Store, clock: Clock) -> None:
    second_us = clock.us - 2_000_000
    assert listed(store, AlertFilter(until_us=second_us)) == ["1"]
    assert listed(store, AlertFilter(since_us=second_us, until_us=second_us + 1)) == ["2"]
    assert listed(store, AlertFilter(until_us=0)) == []


@pytest.mark.usefixtures("three")
def test_an_alert_is_shown_with_its_record_and_deliveries(store: Store) -> None:
    stored = store.archive.alert("alert-00002")
    assert stored is not None
    assert (stored.topic, stored.partition, stored.offset) == ("plates", 2, 2)
    shown = [(each.target_id, each.state, each.reason, each.detail) for each in stored.deliveries]
    assert shown == [
        ("mail/bob", DeliveryState.DEAD, "bad_request", "400"),
        ("sms/bob", DeliveryState.WAITING, "", ""),
    ]


@pytest.mark.usefixtures("three")
def test_a_unique_beginning_of_an_id_is_enough(store: Store, samples: Samples) -> None:
    samples.made = 9
    save(store, [samples.new()])
    found = store.archive.alert("alert-0001")
    assert found is not None
    assert found.alert.alert_id == "alert-00010"
    assert store.archive.alert("alert-0000") is None
    assert store.archive.alert("beta") is None
    assert store.archive.alert("") is None


@pytest.mark.usefixtures("three")
def test_dead_deliveries_are_opened_again_and_nothing_else(store: Store, clock: Clock) -> None:
    clock.seconds += 60
    assert store.archive.redeliver() == Redelivery(reopened=2, released=0)
    (delivery,) = deliveries(store, "mail/bob")
    assert (delivery.tries, delivery.waiting_since_us) == (0, clock.us)
    assert deliveries(store, "mail/ann") == []
    assert store.archive.redeliver().reopened == 0


@pytest.mark.usefixtures("three")
def test_a_redelivery_may_be_restricted(store: Store, clock: Clock) -> None:
    assert store.archive.redeliver(channel="mail", dead_since_us=clock.us).reopened == 0
    assert store.archive.redeliver(dead_since_us=clock.us).reopened == 1
    assert store.archive.redeliver(channel="mail").reopened == 1


@pytest.mark.usefixtures("three")
def test_a_sent_delivery_is_opened_again_when_its_alert_is_named(store: Store) -> None:
    assert store.archive.redeliver(["alert-00001"]).reopened == 1
    assert store.archive.redeliver(["alert-00002"], channel="sms").reopened == 0
    assert store.archive.redeliver(["alert-00002", "none"]).reopened == 1
    assert len(deliveries(store, "mail/ann")) == 1


def test_what_was_sent_is_repeated_under_a_new_id_and_what_is_dead_keeps_its_own(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("hook/a", "hook/b", "hook/c"), samples.new("hook/a")])
    sent, dead, waiting = (deliveries(store, f"hook/{name}")[0] for name in "abc")
    finish(store, "hook/a", DeliveryState.SENT, limit=1)
    finish(store, "hook/b", DeliveryState.DEAD, reason="timeout")
    clock.seconds += 60
    assert store.archive.redeliver(["alert-00001"]).reopened == 2
    others, again = deliveries(store, "hook/a")
    assert again.delivery_id not in {sent.delivery_id, others.delivery_id, waiting.delivery_id}
    assert (again.tries, again.waiting_since_us) == (0, clock.us)
    assert deliveries(store, "hook/b")[0].delivery_id == dead.delivery_id
    assert deliveries(store, "hook/c") == [waiting]
    stored = store.archive.alert("alert-00001")
    assert stored is not None
    assert len(stored.deliveries) == 3


def test_fresh_alerts_of_high_priority_go_before_what_was_opened_again(
    store: Store, samples: Samples
) -> None:
    high = Priority.HIGH
    save(store, [samples.new("mail/ann", priority=high) for _ in range(3)])
    finish(store, "mail/ann", DeliveryState.DEAD)
    store.archive.redeliver()
    save(store, [samples.new("mail/ann", priority=high)])
    assert [each.alert.alert_id[-1] for each in claim(store, "mail/ann")] == ["4", "1", "2", "3"]


@pytest.mark.usefixtures("three")
def test_a_redelivery_wakes_the_held_targets_that_it_concerns(store: Store) -> None:
    def awake() -> list[str]:
        due = store.deliveries.turn(lambda turn: turn.due_targets())()
        return [state.target_id for state in due if state.held_since_us]

    for target in ("mail/ann", "mail/bob", "sms/bob"):
        hold(store, target)
    assert store.archive.redeliver(["alert-00002"], channel="mail") == Redelivery(1, released=1)
    assert awake() == ["mail/bob"]
    assert store.archive.redeliver(channel="sms").released == 1
    assert awake() == ["mail/bob", "sms/bob"]
    assert store.archive.redeliver().released == 3
    assert len(store.deliveries.held()) == 3


def test_a_redelivery_can_be_noticed_by_others(store: Store, tool: Store) -> None:
    before = store.deliveries.redeliveries()
    tool.archive.redeliver()
    assert store.deliveries.redeliveries() != before


def test_a_great_many_dead_deliveries_are_all_opened(store: Store, samples: Samples) -> None:
    targets = [f"mail/{number}" for number in range(100)]
    save(store, [samples.new(*targets) for _ in range(21)])
    for target in targets:
        store.deliveries.give_up(target, "channel_removed")
    assert store.archive.redeliver().reopened == 2_100


def test_retention_takes_old_alerts_in_portions(
    store: Store, samples: Samples, clock: Clock
) -> None:
    plain = [samples.new() for _ in range(2 * SWEPT_AT_ONCE - 4)]
    save(store, plain + [samples.new("mail/ann") for _ in range(5)], {"k": 1})
    finish(store, "mail/ann", DeliveryState.SENT)
    clock.seconds += 31 * DAY_SECONDS
    save(store, [samples.new(time_us=clock.us)])
    numbers = [store.archive.sweep(30 * DAY_SECONDS, 300, clock.us) for _ in range(4)]
    assert numbers == [SWEPT_AT_ONCE, SWEPT_AT_ONCE, 1, 0]
    rows = store.archive.rows()
    assert (rows["alerts"], rows["events"], rows["deliveries"], rows["suppressed"]) == (1, 1, 0, 0)


def test_nothing_is_taken_within_the_retention(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new()], {"k": 1})
    clock.seconds += 30 * DAY_SECONDS
    assert store.archive.sweep(30 * DAY_SECONDS, 300, clock.us) == 0
    assert past(store, keys=["k"]).counts == {"k": 1}


def test_an_open_delivery_keeps_its_alert(store: Store, samples: Samples, clock: Clock) -> None:
    save(store, [samples.new("mail/ann", "sms/bob"), samples.new()])
    finish(store, "sms/bob", DeliveryState.SENT, limit=1)
    clock.seconds += 99 * DAY_SECONDS
    assert store.archive.sweep(DAY_SECONDS, 0, clock.us) == 1
    assert store.archive.rows()["deliveries"] == 2
    finish(store, "mail/ann", DeliveryState.DEAD, limit=1, reason="hold_expired")
    assert store.archive.sweep(DAY_SECONDS, 0, clock.us) == 1


def test_an_alert_that_a_cooldown_may_need_is_kept(
    store: Store, samples: Samples, clock: Clock
) -> None:
    cooldown_seconds = 60 * DAY_SECONDS
    save(store, [samples.new(key="k")])
    clock.seconds += cooldown_seconds + LATEST_EVENT_SECONDS
    assert store.archive.sweep(DAY_SECONDS, cooldown_seconds, clock.us) == 0
    clock.seconds += 1
    assert store.archive.sweep(DAY_SECONDS, cooldown_seconds, clock.us) == 1


def test_a_recently_stored_alert_of_an_old_event_is_kept(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new(key="k", time_us=clock.us - int(400 * DAY_SECONDS * 1e6))])
    assert store.archive.sweep(DAY_SECONDS, 0, clock.us) == 0


def test_an_alert_of_an_event_ahead_of_our_clock_is_kept(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new(key="k", time_us=clock.us + int(90 * DAY_SECONDS * 1e6))])
    clock.seconds += 90 * DAY_SECONDS
    assert store.archive.sweep(DAY_SECONDS, 0, clock.us) == 0


def test_old_counts_go_even_without_old_alerts(store: Store, clock: Clock) -> None:
    store.stream.save_suppressed({"k": 1})
    clock.seconds += 99 * DAY_SECONDS
    assert store.archive.sweep(DAY_SECONDS, 0, clock.us) == 0
    assert store.archive.rows()["suppressed"] == 0


def test_a_writable_store_passes_its_check_and_a_missing_one_does_not(
    tmp_path: Path, file_store: Store
) -> None:
    store = file_store
    store.archive.check_writable()
    (tmp_path / "alerts.db").rename(tmp_path / "away.db")
    with pytest.raises(StoreUnavailableError, match="is gone"):
        store.archive.check_writable()
    (tmp_path / "away.db").rename(tmp_path / "alerts.db")
    store.archive.check_writable()


def test_a_tool_sees_and_opens_what_a_running_engine_stored(
    store: Store, tool: Store, samples: Samples
) -> None:
    save(store, [samples.new("mail/ann")])
    finish(store, "mail/ann", DeliveryState.DEAD)
    assert tool.archive.alerts(9) == store.archive.alerts(9)
    assert tool.archive.redeliver(["alert-00001"]).reopened == 1
    assert len(deliveries(store, "mail/ann")) == 1


@pytest.mark.parametrize("ahead_days", [2, 365, 365 * 56])
def test_a_clock_that_is_ahead_takes_the_sweep_a_day_further_at_most(
    store: Store, clock: Clock, ahead_days: int
) -> None:
    right = store.archive.begin_sweep()
    clock.seconds += ahead_days * DAY_SECONDS
    assert store.archive.begin_sweep() == right + DAY_US
    assert store.archive.begin_sweep() == right + 2 * DAY_US


def test_a_clock_that_is_put_back_sweeps_by_what_it_shows(store: Store, clock: Clock) -> None:
    right = store.archive.begin_sweep()
    clock.seconds -= 3 * DAY_SECONDS
    assert store.archive.begin_sweep() == right - 3 * DAY_US
    clock.seconds += 3 * DAY_SECONDS
    assert store.archive.begin_sweep() == right


def test_a_clock_that_was_never_set_is_no_beginning(store: Store, clock: Clock) -> None:
    right_seconds, clock.seconds = clock.seconds, 60.0
    assert store.archive.begin_sweep() == clock.us
    clock.seconds = right_seconds
    assert store.archive.begin_sweep() == clock.us


def test_rows_are_old_by_the_instant_of_the_sweep(
    store: Store, clock: Clock, samples: Samples
) -> None:
    save(store, [samples.new(time_us=clock.us)])
    now_us = store.archive.begin_sweep()
    clock.seconds += 365 * DAY_SECONDS
    assert store.archive.sweep(DAY_SECONDS, 0, now_us) == 0
    assert store.archive.sweep(DAY_SECONDS, 0, clock.us) == 1


def test_the_past_is_read_as_the_stream_sees_it(store: Store, samples: Samples) -> None:
    alerts = [samples.new(key="car", time_us=moment) for moment in (1_000, 5_000, 9_000)]
    save(store, alerts, {"car": 3})
    asked = Ask(["alert-00001", "alert-x"], {"car": [(6_000, 2_000)], "other": [(6_000, 2_000)]})
    found = store.archive.past(asked)
    assert found == past(store, asked.alert_ids, asked.moments, [(6_000, 2_000)])
    assert (set(found.stored), found.instants) == ({"alert-00001"}, {"car": [5_000]})
    assert found.counts == {"car": 3}


def test_an_alert_is_found_by_its_key_and_its_time(store: Store, samples: Samples) -> None:
    save(store, [samples.new("mail/ann", key="car", time_us=each) for each in (1_000, 5_000)])
    found = store.archive.alert_of_key("car", 5_000)
    assert found is not None
    assert (found.alert.alert_id, len(found.deliveries)) == ("alert-00002", 1)
    assert found.digest == blake2b(b"2", digest_size=16).digest()
    assert store.archive.alert_of_key("car", 2_000) is None
    assert store.archive.alert_of_key("other", 5_000) is None
