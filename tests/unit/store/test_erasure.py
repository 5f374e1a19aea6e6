"""A plate is removed from the store, and nothing else is."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.store import (
    DeliveryState,
    Erased,
    NewAlert,
    NotedFile,
    OpenMode,
    PlateText,
    Silence,
    Store,
    erasure,
    statements,
)
from engine.store.database import both
from engine.store.model import key_id
from engine.stream.record import DeadLetter, DeadLetterType, Record
from tests.support.many_alerts import sqlite_holds
from tests.support.stored import save
from tests.unit.store.samples import DAY_SECONDS, Clock, Samples, open_sample, state_url

CAR = PlateText("ABC123")
ROWS = ("alerts", "deliveries", "events", "suppressed", "silences", "dead_letters")


def reading(
    samples: Samples, plate: str, *targets: str, message: str = "seen", **event: Any
) -> NewAlert:
    """An alert on a reading of a plate, with the plate in its key."""
    new = samples.new(*targets, key=f'["watch",["plate"],["{plate}"]]')
    values = {"plate": {"text": plate, "normalized_text": plate}, **event}
    alert = replace(new.alert, event=values, message=message, matched_plate="")
    return replace(new, alert=alert)


def erase(store: Store, plate: PlateText = CAR, *, with_open: bool = False) -> Erased:
    return store.erasure.erase(plate, store.erasure.find(plate), with_open=with_open)


def letter(offset: int, value: bytes, message: str = "why") -> DeadLetter:
    record = Record("plates", 0, offset, 1, b"key", value, (("name", None),))
    return DeadLetter(record, DeadLetterType.UNKNOWN, message, None, 0)


def silence(**given: str) -> Silence:
    return Silence(starts_us=1, ends_us=2, **given)


def test_all_that_is_stored_of_the_plate_goes(store: Store, samples: Samples) -> None:
    own, other = reading(samples, "ABC123"), reading(samples, "XYZ9")
    second = replace(own, alert=replace(own.alert, alert_id="second", rule_id="second"))
    counts = {own.dedup_key or "": 2, other.dedup_key or "": 3}
    save(store, [own, second, other], counts)
    gone = store.silences.add(silence(plate="ABC123"))
    named = store.silences.add(silence(condition='plate.normalized_text == "ABC-123"'))
    kept = store.silences.add(silence(plate="XYZ9"))
    store.letters.keep([letter(1, b"\0\x0cABC123\x0e"), letter(2, b"\0\x08XYZ9")])
    trace = store.erasure.find(CAR)
    assert set(trace.alerts) == {own.alert.alert_id, "second"}
    assert set(trace.silences) == {gone.silence_id, named.silence_id}
    before = store.silences.since(-1)
    erased = store.erasure.erase(CAR, trace, with_open=False)
    assert erased.rows == dict(zip(ROWS, (2, 0, 1, 1, 2, 1), strict=True))
    assert [each.alert.alert_id for each in store.archive.alerts(9)] == [other.alert.alert_id]
    assert store.silences.all() == [kept]
    assert [each.record.offset for each in store.letters.kept(9).values()] == [2]
    assert store.archive.rows()["suppressed"] == 1
    # Engines see that silences changed.
    assert before is not None
    assert store.silences.since(before[0]) is not None
    assert erase(store).rows == dict.fromkeys(ROWS, 0)


@pytest.mark.parametrize(
    "given",
    [
        {"message": "XYZ9 follows abc-123"},
        {"notes": "behind\nABC 123"},
        {"others": ["ABC123"]},
    ],
)
def test_an_alert_of_another_plate_that_names_it_goes_whole(
    store: Store, samples: Samples, given: dict[str, Any]
) -> None:
    naming, longer = reading(samples, "XYZ9", **given), reading(samples, "ABC1234")
    save(store, [naming, longer])
    trace = store.erasure.find(CAR)
    assert (trace.alerts, trace.naming) == ((), (naming.alert.alert_id,))
    erase(store)
    assert [each.alert.alert_id for each in store.archive.alerts(9)] == [longer.alert.alert_id]


def test_an_alert_of_a_reading_that_is_like_it_goes(store: Store, samples: Samples) -> None:
    near = reading(samples, "ABC12B")
    near = replace(near, alert=replace(near.alert, matched_plate="ABC 123"))
    save(store, [near])
    assert erase(store).rows["alerts"] == 1


def test_a_count_stays_whose_key_does_not_hold_the_plate(store: Store, samples: Samples) -> None:
    own = replace(reading(samples, "ABC123"), dedup_key='["watch",["camera_id"],["gate"]]')
    save(store, [own], {own.dedup_key or "": 5})
    assert erase(store).rows["suppressed"] == 0


def test_the_count_of_a_silenced_match_goes_too(store: Store, samples: Samples) -> None:
    own = reading(samples, "ABC123")
    key = f"silenced {own.dedup_key}"
    save(store, [replace(own, dedup_key=key, silenced_by="x")], {key: 5})
    assert len(key_id(key)) == 32
    assert erase(store).rows["suppressed"] == 1


def test_an_open_delivery_keeps_its_alert_until_it_is_forced(
    store: Store, samples: Samples
) -> None:
    store.deliveries.register({"mail/ann": ("mail", 1)})
    waiting, plain = reading(samples, "ABC123", "mail/ann"), reading(samples, "ABC123")
    other = reading(samples, "XYZ9", "mail/ann")
    save(store, [waiting, plain, other])
    trace = store.erasure.find(CAR)
    assert [each.alert_id for each in trace.open] == [waiting.alert.alert_id]
    erased = store.erasure.erase(CAR, trace, with_open=False)
    assert [each.alert_id for each in erased.refused] == [waiting.alert.alert_id]
    assert erased.rows["alerts"] == 1
    forced = erase(store, with_open=True)
    assert [each.target_id for each in forced.unsent] == ["mail/ann"]
    assert (forced.rows["alerts"], forced.rows["deliveries"]) == (1, 1)
    assert [each.count for each in store.deliveries.backlogs()] == [1]


def test_others_of_its_message_are_sent_by_themselves(store: Store, samples: Samples) -> None:
    store.deliveries.register({"mail/ann": ("mail", 1)})
    own, other = reading(samples, "ABC123", "mail/ann"), reading(samples, "XYZ9", "mail/ann")
    save(store, [own, other])
    # As when both were claimed for one message.
    joined = both(f"""
UPDATE deliveries SET lead_id = (SELECT MIN(delivery_id) FROM deliveries), kind = 'group',
    next_try_us = {statements.MEMBER_DUE_US} WHERE alert_id = '{other.alert.alert_id}'
""")
    store.erasure._writer.transact(lambda transaction: transaction.run(joined))
    assert len(erase(store, with_open=True).unsent) == 1
    ((left,),) = (each.deliveries for each in store.archive.alerts(9))
    assert (left.state, left.next_try_us, left.message_id) == (DeliveryState.WAITING, 0, 0)


def test_what_was_stored_since_it_was_looked_for_goes_too(store: Store, samples: Samples) -> None:
    save(store, [reading(samples, "ABC123")])
    trace = store.erasure.find(CAR)
    save(store, [reading(samples, "ABC123")])
    assert store.erasure.erase(CAR, trace, with_open=False).rows["alerts"] == 2


def test_a_reading_that_comes_later_is_a_new_alert(store: Store, samples: Samples) -> None:
    own = reading(samples, "ABC123")
    save(store, [own])
    erase(store)
    save(store, [own])
    assert len(store.archive.alerts(9)) == 1


def test_rule_files_that_name_it_are_told_and_stay(store: Store) -> None:
    text = b'rules: [{id: mayor, when: plate.normalized_text == "ABC123"}]'
    store.rule_sets.keep_file("f1", zlib.compress(text))
    store.rule_sets.keep_file("f2", zlib.compress(b"plate\nXYZ9\n"))
    files = [NotedFile("/etc/mayor.yaml", False, "f1"), NotedFile("/etc/list.csv", True, "f2")]
    assert store.rule_sets.note("r1", files, "here")
    assert store.erasure.find(CAR).rule_files == ("/etc/mayor.yaml",)
    erase(store)
    assert store.rule_sets.files("r1") is not None


def test_a_run_that_was_cut_short_is_told_by_the_next_one(store: Store, samples: Samples) -> None:
    save(store, [reading(samples, "ABC123")])
    # All that is left of the first one.
    store.erasure._writer.transact(erasure._begin)
    assert any("cut short" in each for each in erase(store).left)
    assert erase(store).left == ()


def test_more_than_one_batch_is_removed(store: Store, samples: Samples) -> None:
    save(store, [reading(samples, "ABC123") for _ in range(205)])
    assert erase(store).rows["alerts"] == 205


def test_no_file_of_sqlite_holds_it_afterwards(tmp_path: Path, samples: Samples) -> None:
    with open_sample(tmp_path) as engine:
        # Long enough for pages of their own.
        cars = [("ABC123", "x" * 20_000), *((f"K{number:04}", "y" * 900) for number in range(200))]
        save(engine, [reading(samples, plate, notes=text) for plate, text in cars])
        save(engine, [reading(samples, "ABC123") for _ in range(50)])
        engine.letters.keep([letter(1, b"x" * 9_000 + b"abc 123")])
        url = state_url(tmp_path)
        assert sqlite_holds(url, "ABC123", "abc 123")
        with open_sample(tmp_path, OpenMode.TOOL) as tool:
            erased = erase(tool)
        assert erased.left == ()
        assert sqlite_holds(url, "ABC123", "abc 123") == []
        assert len(engine.archive.alerts(999)) == 200


def test_what_retention_removed_before_is_not_in_the_file(
    tmp_path: Path, samples: Samples, clock: Clock
) -> None:
    with open_sample(tmp_path, clock=clock) as store:
        save(store, [reading(samples, "ABC123") for _ in range(20)])
        clock.seconds += 90 * DAY_SECONDS
        assert store.archive.sweep(DAY_SECONDS, 0.0, clock.us) == 20
        assert erase(store).left == ()
        assert sqlite_holds(state_url(tmp_path), "ABC123") == []


def test_a_file_with_rests_of_another_time_is_told(tmp_path: Path, samples: Samples) -> None:
    with open_sample(tmp_path) as store:
        save(store, [reading(samples, "ABC123"), reading(samples, "ABC1234")])
        assert "VACUUM" in erase(store).left[0]
