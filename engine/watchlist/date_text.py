"""The forms in which files write a date and a time of day.

Every form is read that can mean one day only. Three numbers with the year last and `/` or `-`
between them are given back as they stand, for the day or the month may come first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Final

#: English and German names of the months, and how they are shortened.
_NAMES: Final = (
    "january jan januar jänner",
    "february feb februar",
    "march mar märz maerz mär mrz",
    "april apr",
    "may mai",
    "june jun juni",
    "july jul juli",
    "august aug",
    "september sept sep",
    "october oct oktober okt",
    "november nov",
    "december dec dezember dez",
)
MONTHS: Final = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split()}
#: How databases, spreadsheets and people write that there is no date.
NO_DATE: Final = frozenset(
    {
        *[
            "-",
            "--",
            "---",
            "–",
            "—",
            "null",
            "(null)",
            "<null>",
            "\\n",
            "none",
            "(none)",
            "nil",
            "nan",
            "nat",
            "n/a",
            "#n/a",
            "na",
            "n.a.",
        ],
        *["0000-00-00", "00000000", "00/00/0000", "00.00.0000", "0000-00-00t00:00:00"],
        "0000-00-00 00:00",
        "0000-00-00 00:00:00",
    }
)
#: What stands in place of an end that never comes.
NO_END: Final = frozenset(
    [
        "never",
        "forever",
        "permanent",
        "indefinite",
        "indefinitely",
        "unlimited",
        "infinity",
        "unbefristet",
        "unbegrenzt",
    ]
)
#: What PostgreSQL has for the beginning of time.
NO_BEGINNING: Final = frozenset(["-infinity"])

_WORD: Final = "([a-zäöü]+)"
_DAY_WORDS: Final = (
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|mon|tue|wed|thu|fri|sat|sun"
    r"|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|sonnabend|mo|di|mi|do|fr|sa|so)"
)
_WEEKDAY: Final = re.compile(rf"{_DAY_WORDS}[.,]*[ ]")
_CLOCK: Final = re.compile(
    r"(?:[ ,]+|(?<=[0-9])t)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?: ?([ap])\.?m\.?)?(?: ?(z|utc|gmt)?(?:([+-])([0-9]{2}):?([0-9]{2})?)?)$"
)
_NUMBERS: Final = re.compile(r"([0-9]{1,4})([-/.]) ?([0-9]{1,2})\2 ?([0-9]{1,4})\.?")
_GAP: Final = "[-/., ]*"
_DAY_NAME_YEAR: Final = re.compile(
    rf"([0-9]{{1,2}})(?:st|nd|rd|th)?{_GAP}{_WORD}{_GAP}([0-9]{{4}}|[0-9]{{2}})"
)
_NAME_DAY_YEAR: Final = re.compile(
    rf"{_WORD}{_GAP}([0-9]{{1,2}})(?:st|nd|rd|th)?[-/., ]+([0-9]{{4}}|[0-9]{{2}})"
)
_YEAR_NAME_DAY: Final = re.compile(rf"([0-9]{{4}}){_GAP}{_WORD}{_GAP}([0-9]{{1,2}})")
_SERIAL: Final = re.compile(r"[0-9]{5}(?:[.,][0-9]+)?")


class DateOrder(StrEnum):
    """Which comes first in 01/02/2026."""

    MONTH_FIRST = "month_first"
    DAY_FIRST = "day_first"


@dataclass(frozen=True, slots=True)
class Numbers:
    """A date whose day and month are `first` and `second`, in either order."""

    first: int
    second: int
    year: int

    @property
    def order(self) -> DateOrder | None:
        """The order that a number above 12 shows, which is no month; None if there is none."""
        if self.first > 12:
            return DateOrder.DAY_FIRST
        return DateOrder.MONTH_FIRST if self.second > 12 else None

    def day(self, order: DateOrder) -> date:
        """The day that is meant in that order; ValueError where there is no such day."""
        if order is DateOrder.DAY_FIRST:
            return date(self.year, self.second, self.first)
        return date(self.year, self.first, self.second)


class ShortYearError(ValueError):
    """The year has two digits; `formats` are the date formats that would fit, perhaps none."""

    def __init__(self, formats: Sequence[str]) -> None:
        super().__init__("the year has two digits")
        self.formats: Final = tuple(formats)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day, up to 24:00, in a zone if it has one."""

    since_midnight: timedelta
    zone: tzinfo | None

    def on(self, day: date) -> datetime:
        """That time of that day."""
        try:
            return datetime.combine(day, time(), self.zone) + self.since_midnight
        except OverflowError:
            return datetime.max


def tidy(text: str) -> str:
    """Text with single blanks, also for those that spreadsheets write, and in lower case."""
    return " ".join(text.split()).lower()


def split_clock(text: str) -> tuple[str, Clock | None]:
    """The date of a tidy text, and the time of day behind it; ValueError for one like 25:00."""
    found = _CLOCK.search(text)
    day = text if found is None else text[: found.start()]
    weekday = _WEEKDAY.match(day)
    return day[weekday.end() if weekday else 0 :], None if found is None else _clock(found)


def _clock(found: re.Match[str]) -> Clock:
    hour, minute, second, fraction, half, name, sign, hours, minutes = found.groups()
    if half is not None:
        if not 1 <= int(hour) <= 12:
            raise ValueError("an hour before noon or after noon is 1 to 12")
        hour = str(int(hour) % 12 + (12 if half == "p" else 0))
    microsecond = int((fraction or "")[:6].ljust(6, "0"))
    at = timedelta(
        hours=int(hour), minutes=int(minute), seconds=int(second or 0), microseconds=microsecond
    )
    if int(minute) > 59 or int(second or 0) > 59 or at > timedelta(days=1):
        raise ValueError("there is no such time of day")
    zone: tzinfo | None = UTC if name is not None else None
    if sign is not None:
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
    return Clock(at, zone)


def day_of(text: str) -> date | Numbers:
    """The day that a tidy text names.

    ShortYearError for a year of two digits, ValueError for what is no date.
    """
    if found := _NUMBERS.fullmatch(text):
        return _numeric(found)
    for pattern, order in (
        (_DAY_NAME_YEAR, ("DD", "MON", "YY")),
        (_NAME_DAY_YEAR, ("MON", "DD", "YY")),
        (_YEAR_NAME_DAY, ("YY", "MON", "DD")),
    ):
        if found := pattern.fullmatch(text):
            return _named(found, order)
    if _SERIAL.fullmatch(text):
        raise ValueError("a spreadsheet's number of a day: format its column as a date")
    raise ValueError


def _numeric(found: re.Match[str]) -> date | Numbers:
    first, sign, second, third = found.groups()
    if len(first) == 4 and len(third) <= 2:
        return date(int(first), int(second), int(third))
    if len(first) > 2 or len(third) not in (2, 4):
        raise ValueError
    if len(third) == 4:
        if sign == ".":
            return date(int(third), int(second), int(first))
        return Numbers(int(first), int(second), int(third))
    day, month = int(first), int(second)
    formats = []
    if 1 <= day <= 31 and 1 <= month <= 12:
        formats.append(f"DD{sign}MM{sign}YY")
    if 1 <= day <= 12 and 1 <= month <= 31 and sign != ".":
        formats.append(f"MM{sign}DD{sign}YY")
    if 1 <= month <= 12 and 1 <= int(third) <= 31:
        formats.append(f"YY{sign}MM{sign}DD")
    raise ShortYearError(formats)


def _named(found: re.Match[str], order: tuple[str, ...]) -> date:
    parts = dict(zip(order, found.groups(), strict=True))
    month = MONTHS.get(parts["MON"])
    if month is None:
        raise ValueError("it names no month")
    day = date(2000, month, int(parts["DD"])) if len(parts["YY"]) == 2 else None
    if day is not None:
        shape = found[0]
        for name, group in reversed(list(zip(order, (1, 2, 3), strict=True))):
            shape = f"{shape[: found.start(group)]}{name}{shape[found.end(group) :]}"
        raise ShortYearError([shape])
    return date(int(parts["YY"]), month, int(parts["DD"]))
