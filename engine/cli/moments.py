"""Times and lengths of time as people write them in options; one way for all commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from engine.errors import AlertEngineError
from engine.schema.event import read_time
from engine.settings import parse_duration

#: What an option that takes a time of the past says of it in its help.
PAST_HELP: Final = "an age such as 24h or 7d, a time in ISO 8601, or 14:02, the last one"
_CLOCK: Final = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?")
#: Other times are a slip, and some are too near the ends of the calendar to be reckoned with.
_FIRST_YEAR, _LAST_YEAR = 1971, 9000


def length_of(option: str, text: str) -> timedelta:
    """The length of time of an option, as `90s` or `7d`; AlertEngineError where it is none."""
    try:
        return timedelta(seconds=parse_duration(text))
    except ValueError as error:
        raise AlertEngineError(f"{option}: {error}") from error


def moment_of(option: str, text: str, zone: tzinfo) -> datetime:
    """The time of an option, in UTC; AlertEngineError where it is none.

    It is ISO 8601; without an offset it is in `zone`.
    """
    moment = read_time(text, zone)
    if moment is None:
        raise AlertEngineError(
            f"{option}: {text!r} is no time, write 2025-07-01T22:00:00-04:00, or 2025-07-01T22:00 "
            "in EVENT_TIMEZONE"
        )
    return moment


def past_moment(option: str, text: str, zone: tzinfo, now: datetime) -> datetime:
    """A time of the past that an option names, in UTC; AlertEngineError where it names none.

    It is an age before `now`, a time of day in `zone`, the last one that is over, or as for
    `moment_of`, from 1971 to 9000.
    """
    if _CLOCK.fullmatch(text):
        today = now.astimezone(zone)
        hour, minute, *second = map(int, text.split(":"))
        last = today.replace(hour=hour, minute=minute, second=sum(second), microsecond=0)
        return (last if last <= now else last - timedelta(days=1)).astimezone(UTC)
    try:
        return now - timedelta(seconds=parse_duration(text))
    except ValueError:
        pass
    moment = read_time(text, zone)
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise AlertEngineError(
            f"{option}: {text!r} is neither an age such as 24h or 7d nor a time such as "
            "2025-07-01T22:00 or 14:02"
        )
    return moment
