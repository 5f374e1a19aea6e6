from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.cli.moments import length_of, moment_of, past_moment
from engine.errors import AlertEngineError

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2025, 7, 2, 1, 30, tzinfo=UTC)  # 21:30 of July 1 in New York


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90", NOW - timedelta(seconds=90)),
        ("7d", NOW - timedelta(days=7)),
        ("21:29", datetime(2025, 7, 2, 1, 29, tzinfo=UTC)),
        ("21:30:00", NOW),
        ("22:02", datetime(2025, 7, 1, 2, 2, tzinfo=UTC)),
        ("2025-07-01T14:02", datetime(2025, 7, 1, 18, 2, tzinfo=UTC)),
        ("2025-07-01T14:02:00Z", datetime(2025, 7, 1, 14, 2, tzinfo=UTC)),
    ],
)
def test_a_past_time_is_an_age_a_time_of_day_or_iso_8601(text: str, moment: datetime) -> None:
    assert past_moment("--at", text, NEW_YORK, NOW) == moment


@pytest.mark.parametrize("text", ["soon", "24:00", "9999-12-31T23:00Z", "1970-01-01T00:00Z", ""])
def test_anything_else_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(AlertEngineError, match=r"^--since: .* is neither an age such as 24h or 7d"):
        past_moment("--since", text, NEW_YORK, NOW)


def test_a_time_has_a_date_and_a_length_has_a_unit() -> None:
    assert moment_of("--from", "2025-07-01T22:00", NEW_YORK) == datetime(2025, 7, 2, 2, tzinfo=UTC)
    assert length_of("--for", "10m") == timedelta(minutes=10)
    with pytest.raises(AlertEngineError, match=r"^--from: '22:00' is no time, write 2025-07-01T22"):
        moment_of("--from", "22:00", NEW_YORK)
    with pytest.raises(AlertEngineError, match=r"^--for: 'soon' is not a duration"):
        length_of("--for", "soon")
