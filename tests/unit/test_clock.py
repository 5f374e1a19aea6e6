"""The clock, and instants as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from engine.clock import SystemClock, is_utc, local_text, localise


@pytest.mark.parametrize(
    ("instant", "zone", "text"),
    [
        ("2025-07-01T20:00:05Z", "Europe/Berlin", "2025-07-01 22:00:05 CEST"),
        ("2025-12-31T23:30:00.999Z", "Europe/Berlin", "2026-01-01 00:30:00 CET"),
        # Both changes, to the second.
        ("2025-03-30T00:59:59Z", "Europe/Berlin", "2025-03-30 01:59:59 CET"),
        ("2025-03-30T01:00:00Z", "Europe/Berlin", "2025-03-30 03:00:00 CEST"),
        ("2025-10-26T00:59:59Z", "Europe/Berlin", "2025-10-26 02:59:59 CEST"),
        ("2025-10-26T01:00:00Z", "Europe/Berlin", "2025-10-26 02:00:00 CET"),
        ("2025-11-02T05:30:00Z", "America/New_York", "2025-11-02 01:30:00 EDT"),
        ("2025-11-02T06:30:00Z", "America/New_York", "2025-11-02 01:30:00 EST"),
        ("2025-07-01T20:00:05Z", "Asia/Kolkata", "2025-07-02 01:30:05 IST"),
        # Zones whose names are numbers.
        ("2025-07-01T20:00:05Z", "America/Sao_Paulo", "2025-07-01 17:00:05 UTC-03:00"),
        ("2025-07-01T20:00:05Z", "Asia/Kathmandu", "2025-07-02 01:45:05 UTC+05:45"),
        ("2025-07-01T20:00:05Z", "UTC", "2025-07-01 20:00:05 UTC"),
    ],
)
def test_an_instant_is_shown_on_the_clocks_of_its_zone(instant: str, zone: str, text: str) -> None:
    assert local_text(datetime.fromisoformat(instant), ZoneInfo(zone)) == text


def test_an_instant_that_the_zone_has_no_year_for_stays_in_utc() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert local_text(first, ZoneInfo("America/New_York")) == "0001-01-01 00:00:00 UTC"
    assert localise(last, ZoneInfo("Asia/Tokyo")) == last


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (UTC, True),
        (ZoneInfo("UTC"), True),
        (ZoneInfo("Etc/UTC"), True),
        (ZoneInfo("Zulu"), True),
        (ZoneInfo("Europe/London"), False),
        (ZoneInfo("Africa/Abidjan"), False),
        (timezone(timedelta(hours=2)), False),
    ],
)
def test_utc_is_known_by_all_its_names(zone: tzinfo, expected: bool) -> None:
    assert is_utc(zone) is expected


def test_the_wall_clock_is_aware_and_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)


def test_the_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
