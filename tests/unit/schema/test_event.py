from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.schema.event import EPOCH, CurrentInstants, Event, digest_of, event_time, make_event

BERLIN = ZoneInfo("Europe/Berlin")
ZULU = ZoneInfo("UTC")
NOON = datetime(2025, 12, 25, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
AFTER = timedelta(milliseconds=123)


@pytest.mark.parametrize(
    "text",
    [
        "2025-12-25T12:00:00Z",
        "2025-12-25T12:00:00z",
        "2025-12-25t12:00:00z",
        "2025-12-25 12:00:00Z",
        "2025-12-25T12:00Z",
        "2025-12-25T12Z",
        "20251225T120000Z",
        "2025-W52-4T12:00:00Z",
        "2025-12-25T12:00:00+00:00",
        "2025-12-25T12:00:00-00:00",
        "2025-12-25T13:00:00+01:00",
        "2025-12-25T13:00:00+0100",
        "2025-12-25T13:00:00+01",
        "2025-12-25T17:45:00+05:45",
        "2025-12-25T07:00:00-05:00",
        "2025-12-25T07:00:00\u221205:00",
        "2025-12-25T13:00:00 +01:00",
        " 2025-12-25T12:00:00Z\n",
        "2025-12-25T12:00:00.0Z",
        "2025-12-25T12:00:00,000Z",
        "2025-12-25T11:59:60Z",
        "2025-12-25T24:00:00+12:00",
        "2025-12-25T13:00:00",
        "2025-12-25 13:00",
    ],
)
def test_the_usual_forms_of_iso_8601_are_read(text: str) -> None:
    assert event_time(text, NOON_MS, BERLIN) == (NOON, "")


@pytest.mark.parametrize("fraction", ["123", "1230", "1230000", "123000000", "1230000009999999"])
@pytest.mark.parametrize("zone", ["Z", "z", "+00:00"])
def test_a_fraction_may_have_any_length(fraction: str, zone: str) -> None:
    assert event_time(f"2025-12-25T12:00:00.{fraction}{zone}", 0, ZULU) == (NOON + AFTER, "")


def test_a_naive_time_is_read_in_the_zone_given() -> None:
    summer = "2025-07-01T14:00:00"
    assert event_time(summer, 0, BERLIN)[0] == datetime(2025, 7, 1, 12, tzinfo=UTC)
    assert event_time(summer, 0, ZULU)[0] == datetime(2025, 7, 1, 14, tzinfo=UTC)


def test_a_naive_time_that_clocks_skip_is_still_an_instant() -> None:
    moment, replaced = event_time("2025-03-30T02:30:00", 0, BERLIN)
    assert (moment, replaced) == (datetime(2025, 3, 30, 1, 30, tzinfo=UTC), "")


def test_a_naive_time_that_comes_twice_is_the_first_one() -> None:
    assert event_time("2025-10-26T02:30:00", 0, BERLIN)[0] == datetime(
        2025, 10, 26, 0, 30, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2025-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2025-12-25T25:00:00Z",
        "2025-12-25T24:00:01Z",
        "2025-12-25T12:00:00+25:00",
        "9999-12-31T23:59:59-05:00",
        "9999-12-31T24:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "1766664000",
        "\ud800",
        None,
        1766664000,
    ],
)
def test_an_unreadable_time_gives_way_to_the_kafka_timestamp(text: object) -> None:
    assert event_time(text, NOON_MS, BERLIN) == (NOON, "unreadable")


@pytest.mark.parametrize(
    ("ahead", "replaced"),
    [
        (timedelta(minutes=10), ""),
        (timedelta(minutes=10, microseconds=1), "future"),
        (timedelta(days=-7), ""),
        (timedelta(days=-7, microseconds=-1), "past"),
    ],
)
def test_a_time_far_from_the_kafka_timestamp_gives_way_to_it(
    ahead: timedelta, replaced: str
) -> None:
    captured = NOON + ahead
    expected = NOON if replaced else captured
    assert event_time(captured.isoformat(), NOON_MS, ZULU) == (expected, replaced)


@pytest.mark.parametrize("timestamp_ms", [0, -1])
def test_without_a_kafka_timestamp_nothing_is_judged(timestamp_ms: int) -> None:
    assert event_time("1999-01-01T00:00:00Z", timestamp_ms, ZULU) == (
        datetime(1999, 1, 1, tzinfo=UTC),
        "",
    )
    assert event_time("soon", timestamp_ms, ZULU) == (EPOCH, "unreadable")


@given(st.text(), st.integers(-(2**63), 2**63 - 1))
def test_no_text_and_no_timestamp_is_too_odd(text: str, timestamp_ms: int) -> None:
    moment, _ = event_time(text, timestamp_ms, BERLIN)
    assert moment.tzinfo is UTC


@given(st.datetimes(timezones=st.timezones()))
def test_what_python_writes_is_read_back(moment: datetime) -> None:
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    found, replaced = event_time(moment.isoformat(), 0, BERLIN)
    # isoformat writes historic offsets to the second; the instant is the same.
    assert (found, replaced) == (expected, "")


def test_an_event_is_bound_with_its_time() -> None:
    event = make_event({"captured_at": "2025-12-25T13:00:00", "camera_id": "c"}, zone=BERLIN)
    assert event.bindings == {
        "captured_at": "2025-12-25T13:00:00",
        "camera_id": "c",
        "time": NOON,
    }
    assert event.time_us == NOON_MS * 1000


def test_microseconds_are_exact_far_from_the_epoch() -> None:
    moment = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert Event({}, moment, b"").time_us == 253_402_300_799_999_999


def test_the_digest_of_a_dict_does_not_depend_on_its_order() -> None:
    one = make_event({"a": 1, "b": {"c": 0.5, "d": None}}, zone=ZULU)
    other = make_event({"b": {"d": None, "c": 0.5}, "a": 1}, zone=ZULU)
    assert one.digest == other.digest
    assert one.digest != make_event({"a": 2, "b": {"c": 0.5, "d": None}}, zone=ZULU).digest


@pytest.mark.parametrize("odd", [b"\xff", 2**80, "\ud800", NOON, float("nan")])
def test_values_that_json_does_not_know_have_a_digest(odd: object) -> None:
    assert len(make_event({"odd": odd}, zone=ZULU).digest) == 16


def test_a_given_digest_is_kept_and_has_sixteen_bytes() -> None:
    digest = digest_of(b"value")
    assert len(digest) == 16
    assert make_event({}, zone=ZULU, digest=digest).digest == digest


def test_an_event_keeps_where_it_came_from() -> None:
    event = make_event(
        {"captured_at": "late"},
        zone=ZULU,
        topic="t",
        partition=3,
        offset=9,
        timestamp_ms=NOON_MS,
        read_at=1.5,
    )
    assert (event.topic, event.partition, event.offset, event.read_at) == ("t", 3, 9, 1.5)
    assert (event.time, event.time_replaced, event.timestamp_ms) == (NOON, "unreadable", NOON_MS)


def test_an_instant_is_taken_as_it_is_and_judged_like_a_text() -> None:
    assert event_time(NOON, NOON_MS, BERLIN) == (NOON, "")
    assert event_time(NOON, 0, BERLIN) == (NOON, "")
    late = datetime.max.replace(tzinfo=UTC)
    assert event_time(late, NOON_MS, BERLIN) == (NOON, "future")
    assert event_time(datetime.min.replace(tzinfo=UTC), NOON_MS, BERLIN) == (NOON, "past")


@pytest.mark.parametrize("absent", [None, 5, b"2025-12-25T12:00:00Z"])
def test_what_is_no_time_is_replaced(absent: object) -> None:
    assert event_time(absent, NOON_MS, BERLIN) == (NOON, "unreadable")


def test_a_local_time_is_read_in_the_zone() -> None:
    assert event_time("2025-12-25T13:00:00", NOON_MS, BERLIN) == (NOON, "")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2025-12-25 13:00", "2025-12-25 13:00"),
        ("soon", "soon"),
        (NOON + AFTER, "2025-12-25T12:00:00.123Z"),
        (None, "2025-12-25T12:00:00Z"),
    ],
)
def test_the_time_that_is_shown_is_the_events_own_or_the_one_that_counts(
    given: object, shown: str
) -> None:
    event = make_event({"captured_at": given}, zone=BERLIN, timestamp_ms=NOON_MS)
    assert event.captured_at == shown


def test_an_event_without_a_time_is_shown_by_the_one_that_counts() -> None:
    event = make_event({}, zone=BERLIN, timestamp_ms=NOON_MS)
    assert (event.captured_at, event.time_replaced) == ("2025-12-25T12:00:00Z", "unreadable")


FIRST_0230 = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
SECOND_0230 = datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("late_seconds", [-120, 0, 2, 600])
@pytest.mark.parametrize("instant", [FIRST_0230, SECOND_0230])
def test_of_the_hour_that_comes_twice_the_kafka_timestamp_decides(
    instant: datetime, late_seconds: int
) -> None:
    timestamp_ms = int(instant.timestamp() + late_seconds) * 1000
    assert event_time("2025-10-26T02:30:00", timestamp_ms, BERLIN) == (instant, "")


@pytest.mark.parametrize(
    ("zone", "text", "instant"),
    [
        ("America/New_York", "2025-11-02 01:15", datetime(2025, 11, 2, 6, 15, tzinfo=UTC)),
        ("Australia/Lord_Howe", "2025-04-06T01:45:00", datetime(2025, 4, 5, 15, 15, tzinfo=UTC)),
        ("Europe/Berlin", "20251026T023000,5", SECOND_0230 + timedelta(milliseconds=500)),
        # A camera that does not know of summer time, in the hour that spring skips.
        ("Europe/Berlin", "2025-03-30T02:30:00", datetime(2025, 3, 30, 0, 30, tzinfo=UTC)),
    ],
)
def test_whatever_the_zone_the_nearer_instant_counts(
    zone: str, text: str, instant: datetime
) -> None:
    timestamp_ms = int(instant.timestamp() * 1000)
    assert event_time(text, timestamp_ms, ZoneInfo(zone)) == (instant, "")


PRESENT = CurrentInstants(lambda: NOON, 86_400.0)


@pytest.mark.parametrize(
    ("timestamp_ms", "fault"),
    [
        (NOON_MS // 1000, "unit"),
        (NOON_MS * 1000, "unit"),
        (NOON_MS * 1_000_000, "unit"),
        (NOON_MS - 3 * 86_400_000, "past"),
        (NOON_MS - 400 * 86_400_000, "past"),
        (1, "past"),
        (300_000, "past"),
        (NOON_MS + 8 * 86_400_000, "future"),
        (NOON_MS + 400 * 86_400_000, "future"),
    ],
)
@pytest.mark.parametrize("captured", [NOON, NOON - timedelta(hours=5), NOON + timedelta(minutes=9)])
def test_a_kafka_timestamp_that_contradicts_camera_and_clock_replaces_nothing(
    timestamp_ms: int, fault: str, captured: datetime
) -> None:
    event = make_event(
        {"captured_at": captured.isoformat()},
        zone=BERLIN,
        timestamp_ms=timestamp_ms,
        present=PRESENT,
    )
    assert (event.time, event.time_replaced) == (captured, "")
    assert event.timestamp_replaced == fault


@pytest.mark.parametrize(
    ("captured", "replaced"),
    [
        (NOON + timedelta(minutes=11), "future"),
        (NOON + timedelta(days=2), "future"),
        (NOON - timedelta(days=30), "past"),
    ],
)
def test_a_camera_that_contradicts_kafka_and_our_clock_is_replaced(
    captured: datetime, replaced: str
) -> None:
    event = make_event(
        {"captured_at": captured.isoformat()}, zone=ZULU, timestamp_ms=NOON_MS, present=PRESENT
    )
    assert (event.time, event.time_replaced, event.timestamp_replaced) == (NOON, replaced, "")


def test_in_a_backlog_a_camera_that_is_ahead_of_all_clocks_is_replaced() -> None:
    recorded = NOON - timedelta(days=3)
    event = make_event(
        {"captured_at": (NOON + timedelta(days=1)).isoformat()},
        zone=ZULU,
        timestamp_ms=int(recorded.timestamp() * 1000),
        present=PRESENT,
    )
    assert (event.time, event.time_replaced) == (recorded, "future")


def test_the_hour_that_comes_twice_is_decided_by_our_clock_where_kafka_is_days_behind() -> None:
    present = CurrentInstants(lambda: SECOND_0230 + timedelta(seconds=3), 86_400.0)
    event = make_event(
        {"captured_at": "2025-10-26T02:30:00"},
        zone=BERLIN,
        timestamp_ms=int(SECOND_0230.timestamp() * 1000) - 3 * 86_400_000,
        present=present,
    )
    assert (event.time, event.timestamp_replaced) == (SECOND_0230, "past")


@pytest.mark.parametrize("timestamp_ms", [NOON_MS // 1000, NOON_MS * 1000, NOON_MS * 1_000_000])
def test_an_unreadable_time_gives_way_to_a_timestamp_in_another_unit(timestamp_ms: int) -> None:
    assert event_time("soon", timestamp_ms, ZULU) == (NOON, "unreadable")


@given(st.text(), st.integers(-(2**63), 2**63 - 1))
def test_with_our_clock_too_nothing_is_too_odd(text: str, timestamp_ms: int) -> None:
    values = {"captured_at": text}
    event = make_event(values, zone=BERLIN, timestamp_ms=timestamp_ms, present=PRESENT)
    assert event.time.tzinfo is UTC
