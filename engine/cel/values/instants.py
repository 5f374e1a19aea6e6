"""Timestamps and durations: parsed, formatted and taken apart, exact to the nanosecond."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from engine.cel.values.numbers import make_duration, make_timestamp
from engine.cel.values.values import (
    NANOSECONDS,
    Duration,
    FailureKind,
    Timestamp,
    failure,
    to_datetime,
    to_timestamp,
)

_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)
_DURATION_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(h|ms|m|s|us|µs|μs|ns)")
_UNITS: Final = {
    "h": 3600 * NANOSECONDS,
    "m": 60 * NANOSECONDS,
    "s": NANOSECONDS,
    "ms": 1_000_000,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ns": 1,
}
_OFFSET: Final = re.compile(r"([+-]?)([0-9]{1,2}):([0-9]{2})")


def parse_timestamp(text: str) -> Timestamp:
    """An RFC 3339 text as a timestamp; digits below a nanosecond are dropped.

    EvaluationError for a text of another form or a moment that there is not.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise failure(FailureKind.BAD_CONVERSION, f"'{text[:40]}' is not an RFC 3339 timestamp")
    main, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(main).replace(tzinfo=UTC)
        offset = _offset(zone) if zone != "Z" else timedelta(0)
    except ValueError as error:
        message = f"'{text[:40]}' is not a valid time: {error}"
        raise failure(FailureKind.OUT_OF_RANGE, message) from None
    nanoseconds = to_timestamp(moment).nanoseconds + int(f"{(fraction or '')[:9]:0<9}")
    return make_timestamp(nanoseconds - int(offset.total_seconds()) * NANOSECONDS)


def parse_duration(text: str) -> Duration:
    """A text such as `1h30m`, `-1.5s` or `0` as a duration; EvaluationError for any other."""
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return Duration(0)
    position = 0
    total = 0
    while position < len(body):
        match = _DURATION_PART.match(body, position)
        if match is None or not (match[1] or match[2]) or len(match[1]) > 20:
            break
        unit = _UNITS[match[3]]
        fraction = (match[2] or "")[:20]
        total += int(match[1] or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        position = match.end()
    if not body or position < len(body):
        message = f"'{text[:40]}' is not a duration such as '1h30m' or '300s'"
        raise failure(FailureKind.BAD_CONVERSION, message)
    return make_duration(sign * total)


def format_timestamp(value: Timestamp) -> str:
    """The timestamp in RFC 3339 and UTC, with no more digits of the second than needed."""
    seconds, fraction = divmod(value.nanoseconds, NANOSECONDS)
    text = to_datetime(Timestamp(seconds * NANOSECONDS)).isoformat()[:19]
    return f"{text}{_fraction(fraction)}Z"


def format_duration(value: Duration) -> str:
    """The duration in seconds, with no more digits than needed: `1.5s`."""
    seconds, fraction = divmod(abs(value.nanoseconds), NANOSECONDS)
    sign = "-" if value.nanoseconds < 0 else ""
    return f"{sign}{seconds}{_fraction(fraction)}s"


def _fraction(nanoseconds: int) -> str:
    return f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""


def _offset(text: str) -> timedelta:
    match = _OFFSET.fullmatch(text)
    if match is None or int(match[2]) > 23 or int(match[3]) > 59:
        raise ValueError(f"'{text[:40]}' is not an offset from UTC")
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return -offset if match[1] == "-" else offset


@lru_cache(maxsize=256)
def find_zone(name: str) -> tzinfo:
    """The time zone of an IANA name or an offset such as `+02:00`; ValueError for any other."""
    if ":" in name:
        return timezone(_offset(name))
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        # ZoneInfoNotFoundError is a KeyError; names that are no file names raise the others.
        raise ValueError(f"'{name[:40]}' is not a time zone") from None


def local(value: Timestamp, zone: str) -> datetime:
    """The local time of a timestamp in a zone, which is named as for `find_zone`.

    EvaluationError for an unknown zone, or where the local time leaves the years 1 to 9999.
    """
    try:
        return to_datetime(value, find_zone(zone))
    except ValueError as error:
        raise failure(FailureKind.BAD_ARGUMENT, str(error)) from None
    except OverflowError:
        message = f"the timestamp lies outside the years 0001 to 9999 in '{zone[:40]}'"
        raise failure(FailureKind.OUT_OF_RANGE, message) from None


#: The functions that read one part of a local time; months and days count from 0, but for getDate.
PARTS: Final[dict[str, Callable[[datetime], int]]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
    "getMilliseconds": lambda moment: moment.microsecond // 1_000,
}


def duration_part(value: Duration, unit: int) -> int:
    """The duration in whole units of `unit` nanoseconds, truncated towards zero."""
    whole = abs(value.nanoseconds) // unit
    return whole if value.nanoseconds >= 0 else -whole


def duration_milliseconds(value: Duration) -> int:
    """The milliseconds of the duration beyond its whole seconds: 0 to 999, or negative."""
    rest = abs(value.nanoseconds) % NANOSECONDS // 1_000_000
    return rest if value.nanoseconds >= 0 else -rest
