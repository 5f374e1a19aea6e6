"""The store keeps when cameras were seen, who judges them, and how long the stream was watched."""

from __future__ import annotations

from dataclasses import replace

from engine.store import CameraReport, CameraState, Instance, OpenMode, Store, Watched, open_store
from engine.store.cameras import JUDGE_SECONDS
from engine.store.instances import LOST_SECONDS
from tests.unit.store.samples import Clock, Samples

SECOND_US = 1_000_000


def running(store: Store, *names: str) -> None:
    for name in names:
        store.instances.beat(Instance(name, "host", "1.0", "digest"))


def only(store: Store) -> CameraState:
    (state,) = store.cameras.all()
    return state


def report(state: CameraState, samples: Samples, *, is_silent: bool) -> CameraReport:
    return CameraReport(state, is_silent, samples.new("mail/ann", rule_id="camera_silent"))


def test_a_camera_is_kept_with_its_latest_time_and_the_watched_time(
    store: Store, clock: Clock
) -> None:
    running(store, "a")
    store.cameras.note("a", {"gate": clock.us - SECOND_US})
    assert store.cameras.become_judge("a")
    assert store.cameras.advance("a", 7 * SECOND_US, ())
    store.cameras.note("a", {"gate": clock.us - 9 * SECOND_US})
    watched_us = 7 * SECOND_US
    expected = CameraState("gate", clock.us, clock.us - SECOND_US, watched_us, True, 0, 0)
    assert only(store) == expected
    assert store.cameras.watched() == Watched(7 * SECOND_US, 0)


def test_a_time_that_is_not_yet_and_none_count_as_now(store: Store, clock: Clock) -> None:
    store.cameras.note("a", {"ahead": clock.us + SECOND_US, "none": 0})
    assert [each.seen_us for each in store.cameras.all()] == [clock.us, clock.us]


def test_named_cameras_are_known_before_they_are_seen(store: Store, clock: Clock) -> None:
    store.cameras.become_judge("a")
    store.cameras.advance("a", SECOND_US, ["gate"])
    clock.seconds += 5
    store.cameras.advance("a", SECOND_US, ["gate"])
    known_us = clock.us - 5 * SECOND_US
    assert only(store) == CameraState("gate", known_us, 0, SECOND_US, False, 0, 0)
    assert only(store).last_us == known_us


def test_there_is_one_judge_until_it_is_heard_of_no_more(store: Store, clock: Clock) -> None:
    assert store.cameras.become_judge("a")
    assert not store.cameras.become_judge("b")
    assert not store.cameras.advance("b", SECOND_US, ["gate"])
    clock.seconds += JUDGE_SECONDS + 1
    assert store.cameras.become_judge("b")
    assert not store.cameras.advance("a", SECOND_US, ["gate"])
    assert store.cameras.watched() == Watched()
    # A clock that was set back does not leave the judge its time for hours.
    clock.seconds -= 7_200
    assert store.cameras.become_judge("a")


def test_every_note_is_counted_and_who_is_lost_loses_readings_once(
    store: Store, clock: Clock
) -> None:
    running(store, "a", "b")
    for _ in range(2):
        store.cameras.note("b", {})
    assert store.cameras.notes("a") == {"a": 0, "b": 2}
    store.cameras.become_judge("a")
    store.cameras.advance("a", 9 * SECOND_US, ())
    clock.seconds += LOST_SECONDS + 1
    running(store, "a")
    assert store.cameras.notes("a") == {"a": 0}
    assert store.cameras.watched() == Watched(9 * SECOND_US, 9 * SECOND_US)
    # The judge is told, and begins anew.
    assert not store.cameras.advance("a", SECOND_US, ())
    store.cameras.become_judge("a")
    assert store.cameras.advance("a", SECOND_US, ())
    store.cameras.notes("a")
    assert store.cameras.watched() == Watched(10 * SECOND_US, 9 * SECOND_US)


def test_while_engines_have_different_rules_their_notes_say_nothing(store: Store) -> None:
    running(store, "a", "b")
    assert store.cameras.notes("a") == {"a": 0, "b": 0}
    store.instances.beat(Instance("b", "host", "1.0", "other rules"))
    assert store.cameras.notes("a") is None


def test_who_asks_was_not_killed(store: Store, clock: Clock) -> None:
    running(store, "a")
    clock.seconds += LOST_SECONDS + 1
    store.cameras.become_judge("a")
    store.cameras.notes("a")
    assert store.cameras.advance("a", SECOND_US, ())


def test_a_silence_is_reported_once_and_so_is_the_return(
    store: Store, samples: Samples, clock: Clock
) -> None:
    store.cameras.note("a", {"gate": clock.us})
    store.cameras.become_judge("a")
    state = only(store)
    silent = report(state, samples, is_silent=True)
    assert store.cameras.report("b", lambda now_us: [silent]) == []
    assert store.cameras.report("a", lambda now_us: [silent]) == [silent]
    assert store.cameras.report("a", lambda now_us: [silent]) == []
    reported = only(store)
    assert (reported.silent_us, reported.since_us, reported.is_seen) == (
        clock.us,
        state.seen_us,
        False,
    )
    back = report(reported, samples, is_silent=False)
    assert store.cameras.report("a", lambda now_us: [back]) == []
    store.cameras.note("a", {"gate": clock.us})
    assert store.cameras.report("a", lambda now_us: [back]) == [back]
    assert (only(store).silent_us, only(store).since_us) == (0, 0)
    ids = {each.alert.alert_id for each in store.archive.alerts(10)}
    assert ids == {silent.alert.alert.alert_id, back.alert.alert.alert_id}
    assert [each.count for each in store.deliveries.backlogs()] == [2]


def test_a_camera_that_was_seen_meanwhile_is_neither_reported_nor_forgotten(
    store: Store, samples: Samples, clock: Clock
) -> None:
    store.cameras.note("a", {"gate": clock.us - SECOND_US})
    store.cameras.become_judge("a")
    before = only(store)
    store.cameras.advance("a", SECOND_US, ())
    store.cameras.note("a", {"gate": clock.us})
    silent = report(before, samples, is_silent=True)
    assert store.cameras.report("a", lambda now_us: [silent]) == []
    store.cameras.forget([before])
    now = only(store)
    store.cameras.forget([now])
    assert store.cameras.all() == []
    assert store.archive.alerts(10) == []


def test_what_was_seen_outlives_a_restart(url: str, clock: Clock) -> None:
    with open_store(url, clock=clock) as store:
        store.cameras.note("a", {"gate": clock.us})
        store.cameras.become_judge("a")
        store.cameras.advance("a", SECOND_US, ())
        store.cameras.readings_lost()
    with open_store(url, OpenMode.TOOL, clock=clock) as store:
        assert replace(only(store), camera_id="") == CameraState(
            "", clock.us, clock.us, 0, True, 0, 0
        )
        assert store.cameras.watched() == Watched(SECOND_US, SECOND_US)
