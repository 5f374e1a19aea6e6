"""Parses the forms in which lists write dates and times of day."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Final

#: English and German names of the months, and their abbreviations.
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
#: Texts by which databases, spreadsheets and people say that there is no date.
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
#: Words for an end that never comes.
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
#: PostgreSQL's word for the beginning of time.
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
_PARTS: Final = re.compile(r"yyyy|yy|mmmm|mmm|month|mon|mm|m|dd|d")
_GROUPS: Final = {"y": "year", "m": "month", "d": "day"}
_NAMED: Final = frozenset({"mmmm", "mmm", "month", "mon"})
_TIME: Final = re.compile(r"[ t,]*(?:%[hi]|h{1,2}):.*")
_STRPTIME: Final = {"%d": "DD", "%m": "MM", "%y": "YY", "%Y": "YYYY", "%b": "MON", "%B": "MON"}
#: A year of two digits from this one on may belong to the last century or to this one.
_DOUBTFUL_YEAR: Final = 70


class DateOrder(StrEnum):
    """Which comes first in 01/02/2026."""

    MONTH_FIRST = "month_first"
    DAY_FIRST = "day_first"


@dataclass(frozen=True, slots=True)
class NumericDate:
    """A date in numbers whose day and month are `first` and `second`, in either order."""

    first: int
    second: int
    year: int

    @property
    def order(self) -> DateOrder | None:
        """The order, where a number above 12, which is no month, shows it; else None."""
        if self.first > 12:
            return DateOrder.DAY_FIRST
        return DateOrder.MONTH_FIRST if self.second > 12 else None

    def day(self, order: DateOrder) -> date:
        """The date in that order; ValueError where there is no such day."""
        if order is DateOrder.DAY_FIRST:
            return date(self.year, self.second, self.first)
        return date(self.year, self.first, self.second)


class ShortYearError(ValueError):
    """The year has two digits; `formats` are the texts of date formats that fit, perhaps none."""

    def __init__(self, formats: Sequence[str]) -> None:
        super().__init__("the year has two digits")
        self.formats: Final = tuple(formats)


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time of day, up to 24:00, in a zone if it has one."""

    since_midnight: timedelta
    zone: tzinfo | None

    def on(self, day: date) -> datetime:
        """That time on that day; `datetime.max` beyond the last year."""
        try:
            return datetime.combine(day, time(), self.zone) + self.since_midnight
        except OverflowError:
            return datetime.max


def tidy(text: str) -> str:
    """The text in lower case, stripped, each run of white space as one blank."""
    return " ".join(text.split()).lower()


def split_clock(text: str) -> tuple[str, TimeOfDay | None]:
    """The date part of a tidy text, and the time of day after it, None without one.

    ValueError for a time such as 25:00.
    """
    found = _CLOCK.search(text)
    day = text if found is None else text[: found.start()]
    weekday = _WEEKDAY.match(day)
    return day[weekday.end() if weekday else 0 :], None if found is None else _clock(found)


def _clock(found: re.Match[str]) -> TimeOfDay:
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
    return TimeOfDay(at, zone)


def day_of(text: str) -> date | NumericDate:
    """The date that a tidy text names, or its numbers where the order of day and month is open.

    ShortYearError for a year of two digits, ValueError for a text that is no date.
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


def _numeric(found: re.Match[str]) -> date | NumericDate:
    first, sign, second, third = found.groups()
    if len(first) == 4 and len(third) <= 2:
        return date(int(first), int(second), int(third))
    if len(first) > 2 or len(third) not in (2, 4):
        raise ValueError
    if len(third) == 4:
        if sign == ".":
            return date(int(third), int(second), int(first))
        return NumericDate(int(first), int(second), int(third))
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


@dataclass(frozen=True, slots=True)
class DateFormat:
    """A form of dates such as `DD/MM/YY`; two are equal if their `text` is.

    `order` is its order of day and month; None where the year comes first.
    """

    text: str
    _pattern: re.Pattern[str] = field(repr=False, compare=False)
    order: DateOrder | None = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> DateFormat:
        """Parses a form such as `DD/MM/YY`; the text of the ValueError is the remedy.

        It has one part each for day (`DD`), month (`MM`, or `MON` for a name) and year (`YY`,
        `YYYY`).
        """
        groups: list[str] = []

        def group(found: re.Match[str]) -> str:
            name = _GROUPS[found[0][0]]
            groups.append(name)
            return f"(?P<{name}>{_digits(found)})"

        low = " ".join(text.split()).lower()
        pattern = _replaced(_PARTS, low, group, lambda sign: re.escape(sign).replace(r"\ ", " "))
        if sorted(groups) != ["day", "month", "year"] or re.search("[a-z%]", _PARTS.sub("", low)):
            raise ValueError(_remedy(text))
        order = DateOrder.DAY_FIRST
        if groups.index("month") < groups.index("day"):
            order = DateOrder.MONTH_FIRST
        return cls(text, re.compile(pattern), None if groups[0] == "year" else order)

    def day(self, text: str) -> date | None:
        """The date of a tidy text; None where it has another form, ValueError for no such day."""
        found = self._pattern.fullmatch(text)
        if found is None:
            return None
        year, month = int(found["year"]), found["month"]
        if len(found["year"]) == 2:
            if year >= _DOUBTFUL_YEAR:
                raise ValueError(f"the year may be 19{year} or 20{year}: write it with four digits")
            year += 2000
        number = int(month) if month.isdigit() else MONTHS.get(month)
        return date(year, number, int(found["day"])) if number is not None else None


def _digits(found: re.Match[str]) -> str:
    """The pattern of one part; next to another part without a sign, a number has its full width."""
    part = found[0]
    if part in _NAMED:
        return "[a-zäöü]+"
    if part[0] == "y":
        return f"[0-9]{{{len(part)}}}"
    beside = found.string[found.start() - 1 : found.start()] + found.string[found.end() :][:1]
    return "[0-9]{2}" if re.search("[a-z]", beside) else "[0-9]{1,2}"


def _replaced(
    pattern: re.Pattern[str],
    text: str,
    found: Callable[[re.Match[str]], str],
    other: Callable[[str], str],
) -> str:
    """`text` with what the pattern finds replaced by `found`, and what lies between by `other`."""
    parts: list[str] = []
    end = 0
    for match in pattern.finditer(text):
        parts += (other(text[end : match.start()]), found(match))
        end = match.end()
    return "".join((*parts, other(text[end:])))


def _remedy(text: str) -> str:
    """The remedy for a form that can't be parsed: the intended form, or an example."""
    meant = text
    for code, part in _STRPTIME.items():
        meant = meant.replace(code, part)
    # Spreadsheets in German have T for the day and J for the year.
    low = _TIME.sub("", tidy(meant)).replace("t", "d").replace("j", "y")
    if low != tidy(text):
        try:
            DateFormat.parse(low)
        except ValueError:
            pass
        else:
            return f"write {low.upper()}; a time of day behind it is read by itself"
    return "write it like DD/MM/YY, MM/DD/YYYY or DD-MON-YY, with day, month and year once each"
