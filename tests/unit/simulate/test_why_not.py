"""Planted causes, each with its first sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.simulate.why_not import Reason
from engine.store import DeliveryState, Silence
from engine.stream.record import DeadLetter, DeadLetterType
from tests.unit.plate import NOON, record_of
from tests.unit.simulate.planted import FLORIDA, STOLEN, PlantedSite, reasons

READ = "ABC123 was read at cam-1 at 12:00:00"
TARGET = "guards (gate@example.org)"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PlantedSite]:
    made = PlantedSite(tmp_path)
    yield made
    made.store.close()


def noon_us(seconds: float) -> int:
    return int((NOON.timestamp() + seconds) * 1e6)


def test_never_read_names_the_nearest_reading(site: PlantedSite) -> None:
    site.read(120, plate={**FLORIDA, "text": "A8C123", "normalized_text": "A8C123"})
    site.read(130, plate={**FLORIDA, "text": "QQQ999", "normalized_text": "QQQ999"})
    # Earlier, but a digit for another is less near, and three differences are not near.
    site.read(60, plate={**FLORIDA, "text": "ABC723", "normalized_text": "ABC723"})
    site.read(50, plate={**FLORIDA, "text": "ABC45", "normalized_text": "ABC45"})
    answer = site.ask("abc-123")
    assert answer.reason is Reason.NOT_READ
    assert [(near.plate, near.likeness) for near in answer.near] == [
        ("A8C123", 580 / 600),
        ("ABC723", 520 / 600),
    ]
    assert site.sentence(answer) == (
        "ABC123 was not read between 11:30:00 and 12:30:00; the nearest reading is A8C123 (97 %) at"
        " cam-1 at 12:02:00"
    )


def test_never_read_and_nothing_like_it(site: PlantedSite) -> None:
    assert site.sentence(site.ask("MNO345")).endswith("12:30:00, nor anything like it")


def test_false_names_the_condition_and_the_value(site: PlantedSite) -> None:
    site.read(0, plate={"region": "US-GA"})
    answer = site.ask()
    assert answer.reason is Reason.FALSE
    assert site.sentence(answer) == (
        f"{READ}; no rule matched: rule stolen, condition 2 of 3 is false, plate.region equals"
        ' US-FL (plate.region is "US-GA")'
    )
    assert site.sentence(site.ask(rule_id="stolen")).startswith(
        f"{READ}; rule stolen did not match: condition 2 of 3 is false"
    )


def test_of_many_rules_that_are_false_the_nearest_is_named(tmp_path: Path) -> None:
    others = "  - {id: nothing, when: camera_id == 'gate', notify: []}\n"
    site = PlantedSite(tmp_path, STOLEN + others)
    site.read(0, plate={"region": "US-GA"})
    answer = site.ask()
    assert reasons(answer) == [("stolen", "false"), ("nothing", "false")]
    assert "no rule matched: the nearest is rule stolen, condition 2 of 3" in site.sentence(answer)


def test_an_evaluation_error_is_told(tmp_path: Path) -> None:
    site = PlantedSite(tmp_path, "rules: [{id: slow, when: 1 / latency_ms > 5, notify: []}]\n")
    site.read(0)
    answer = site.ask()
    assert answer.reason is Reason.ERROR
    assert site.sentence(answer) == f"{READ}; rule slow failed on it: division by zero"


INTERVALS = """\
time_intervals:
  - {name: night, times: [{start_time: "22:00", end_time: "05:00"}]}
  - {name: noon, times: [{start_time: "11:00", end_time: "13:00"}]}
"""


@pytest.mark.parametrize(
    ("key", "reason", "text"),
    [
        ("active_time_intervals: [night]", Reason.INACTIVE, "it counts only during night"),
        ("mute_time_intervals: [noon]", Reason.MUTED, "it is muted during noon"),
    ],
)
def test_a_rule_out_of_its_time_names_the_interval(
    tmp_path: Path, key: str, reason: Reason, text: str
) -> None:
    site = PlantedSite(tmp_path, f"{INTERVALS}{STOLEN}    {key}\n")
    site.read(0)
    answer = site.ask()
    assert answer.reason is reason
    assert site.sentence(answer) == f"{READ}; rule stolen matched, but {text}"


def test_silenced_says_by_whom_and_until_when(site: PlantedSite) -> None:
    site.silences.append(
        Silence(
            silence_id="00aa11bb",
            plate="ABC123",
            starts_us=noon_us(-60),
            ends_us=noon_us(3_600),
            created_by="Ann",
            comment="it is the mayor",
        )
    )
    for seconds in (0, 5):
        site.read(seconds)
        answer = site.ask(at=seconds)
        assert answer.reason is Reason.SILENCED
        assert site.sentence(answer).endswith(
            "rule stolen matched, but it was silenced by Ann until 13:00:00 (silence 00aa11bb): it"
            " is the mayor"
        )


def test_suppressed_tells_what_became_of_the_alert_that_suppresses(site: PlantedSite) -> None:
    site.read(-211)
    site.mark(DeliveryState.SENT)
    site.read(0)
    answer = site.ask()
    assert answer.reason is Reason.SUPPRESSED
    assert site.sentence(answer) == (
        f"{READ}; rule stolen matched, but an alert of 11:56:29 suppressed it (300 s); that one"
        f" reached {TARGET} at 11:56:30"
    )
    assert len(answer.readings) == 2


def test_the_pass_that_was_asked_for_is_judged_as_a_whole(site: PlantedSite) -> None:
    site.read(-20)
    site.mark(DeliveryState.SENT)
    site.read(0)
    assert site.ask().reason is Reason.SENT


def test_expired_says_how_late_it_came(site: PlantedSite) -> None:
    site.read(0, late=2 * 86_400)
    answer = site.ask()
    assert answer.reason is Reason.EXPIRED
    assert site.sentence(answer).endswith(
        "rule stolen matched, but it came too late to be sent: 2 d late"
    )


def test_a_rule_without_a_channel_has_nobody_to_tell(tmp_path: Path) -> None:
    site = PlantedSite(tmp_path, STOLEN.replace("[guards]", "[]"))
    site.read(0)
    answer = site.ask()
    assert answer.reason is Reason.UNROUTED
    assert site.sentence(answer) == (
        f"{READ}; rule stolen alerted, but the alert had no channel to go to"
    )


def test_waiting_says_how_often_it_was_tried(site: PlantedSite) -> None:
    site.read(0)
    answer = site.ask()
    assert answer.reason is Reason.WAITING
    assert f"rule stolen alerted, but the alert still waits for {TARGET}" in site.sentence(answer)
    site.mark(DeliveryState.WAITING, 2, "server_error", "503 busy")
    assert site.sentence(site.ask()).endswith(" after 2 tries, server_error: 503 busy")


def test_held_says_why_and_since_when(site: PlantedSite) -> None:
    site.read(0)
    site.seconds += 60
    site.store.deliveries.hold("guards:gate@example.org", "unauthorized", "401 who are you?")
    answer = site.ask()
    assert answer.reason is Reason.HELD
    assert site.sentence(answer).endswith(
        ", which is held since 12:01:00, unauthorized: 401 who are you?"
    )


def test_dead_is_said_before_what_was_sent(tmp_path: Path) -> None:
    site = PlantedSite(tmp_path, STOLEN.replace("[guards]", "[guards, desk]"))
    site.read(0)
    site.mark(DeliveryState.DEAD, 4, "bad_request", "400 no", channel="guards")
    site.mark(DeliveryState.SENT)
    answer = site.ask()
    assert answer.reason is Reason.DEAD
    assert site.sentence(answer) == (
        f"{READ}; rule stolen alerted, but the alert was given up for {TARGET} at 12:00:01,"
        " bad_request: 400 no, and reached desk (desk@example.org) at 12:00:02"
    )


def test_sent_says_to_whom_and_when(site: PlantedSite) -> None:
    site.read(0)
    site.mark(DeliveryState.SENT)
    answer = site.ask()
    assert answer.reason is Reason.SENT
    assert site.sentence(answer) == (
        f"{READ}; rule stolen alerted, and the alert reached {TARGET} at 12:00:01"
    )


def test_in_the_lag_says_how_many_are_before_it(site: PlantedSite) -> None:
    site.read(-600, plate={"normalized_text": "OTHER"})
    waiting = site.seen(0)
    site.committed = {("plates", 0): waiting.offset - 7}
    answer = site.ask()
    assert answer.reason is Reason.IN_LAG
    assert site.sentence(answer) == (
        f"{READ}; rule stolen matches, but the engine has not come to it yet: 7 records are before"
        " it"
    )


def test_a_reading_that_is_a_dead_letter_says_why(site: PlantedSite) -> None:
    record = site.seen(0)
    site.letters.append(DeadLetter(record, DeadLetterType.PROCESSING_FAILURE, "KeyError: 'x'"))
    answer = site.ask()
    assert answer.reason is Reason.DEAD_LETTER
    assert site.sentence(answer).endswith("process it, a dead letter: KeyError: 'x'")


def test_a_record_that_names_the_plate_and_is_no_event_is_told(site: PlantedSite) -> None:
    record = record_of(b'{"plate": "ABC123"}', 0)
    site.records.append(record)
    answer = site.ask()
    assert answer.reason is Reason.DEAD_LETTER
    place = f"plates:0:{record.offset}"
    assert site.sentence(answer).startswith(
        f"ABC123 was not read between 11:30:00 and 12:30:00, but the record {place}, which holds"
        " this text, could not be decoded: "
    )


def test_an_answer_goes_by_the_rules_of_then_and_says_what_changed(site: PlantedSite) -> None:
    site.read(0, plate={"region": "US-GA"})
    site.seconds += 3_600
    site.write_rules(STOLEN.replace("US-FL", "US-GA").replace("300", "60"))
    answer = site.ask()
    assert answer.reason is Reason.FALSE
    assert "plate.region equals US-FL" in site.sentence(answer)
    assert answer.rules[0].changed == "changed since: condition, cooldown_seconds"
    assert answer.notes == ()


def test_an_alert_of_a_rule_that_is_gone_is_found(site: PlantedSite) -> None:
    site.read(0)
    site.mark(DeliveryState.SENT)
    site.write_rules("rules: [{id: other, when: camera_id == 'x', notify: []}]\n")
    answer = site.ask()
    assert answer.reason is Reason.SENT
    assert answer.rules[0].changed == "it is gone since"


def test_what_kafka_has_no_more_is_known_from_the_alert(site: PlantedSite) -> None:
    site.read(0)
    site.mark(DeliveryState.SENT)
    site.records.clear()
    answer = site.ask()
    assert answer.reason is Reason.SENT
    assert site.sentence(answer).startswith(READ)


def test_the_alert_of_a_near_match_is_no_reading_of_the_plate(tmp_path: Path) -> None:
    text = """rules:
  - {id: near, when: 'similar(plate.normalized_text, "ABC123")', notify: [guards]}
"""
    site = PlantedSite(tmp_path, text)
    site.read(0, plate={"normalized_text": "A8C123"})
    answer = site.ask()
    assert answer.reason is Reason.NOT_READ
    assert [near.plate for near in answer.near] == ["A8C123"]


def test_a_match_of_which_nothing_is_stored_is_no_alert(site: PlantedSite) -> None:
    site.seen(0)
    answer = site.ask()
    assert answer.reason is Reason.NOT_READ
    assert "rule stolen matches, but no alert of it is stored" in site.sentence(answer)


def test_without_a_time_the_last_pass_is_meant(site: PlantedSite) -> None:
    site.read(-900)
    site.read(0, plate={"region": "US-GA"})
    assert site.ask(at=None).reason is Reason.FALSE
    assert site.ask(at=-890).reason is Reason.WAITING


def test_a_rule_that_did_not_exist_then_says_so(site: PlantedSite) -> None:
    site.read(0)
    site.seconds += 60
    site.write_rules(STOLEN + "  - {id: late, when: camera_id == 'cam-1', notify: []}\n")
    answer = site.ask(rule_id="late")
    assert site.sentence(answer) == f"{READ}; rule late was not in force then"


def test_rules_of_then_that_are_not_kept_are_those_of_today(site: PlantedSite) -> None:
    site.seen(-3_000, plate={"normalized_text": "ABC123"})
    answer = site.ask(at=-1_700)
    assert answer.reason is Reason.NOT_READ
    site.seen(-1_000, plate={"region": "US-GA"})
    answer = site.ask(at=-1_000)
    assert answer.reason is Reason.FALSE
    assert answer.notes == ("the rules are today's: those of then are not kept",)


def test_a_registry_that_is_away_leaves_it_open_what_a_record_is(site: PlantedSite) -> None:
    site.seen(0)
    site.writers.is_away = True
    answer = site.ask()
    assert answer.reason is Reason.NOT_READ
    assert answer.notes[0].startswith("1 records could not be decoded, the first: ")


def test_a_record_that_was_read_twice_is_one_reading(site: PlantedSite) -> None:
    record = site.read(0)
    site.records.append(record)
    assert len(site.ask().readings) == 1
