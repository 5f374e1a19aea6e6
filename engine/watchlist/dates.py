"""Finds a list's columns with dates, and reads dates and times in cells as instants.

The columns of validity that no definition names are found by their headers and their cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from engine.watchlist.date_forms import (
    NO_BEGINNING,
    NO_DATE,
    NO_END,
    DateFormat,
    DateOrder,
    NumericDate,
    ShortYearError,
    TimeOfDay,
    day_of,
    split_clock,
    tidy,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Bounds that are open, in microseconds since 1970.
ALWAYS: Final = -(2**63)
NEVER: Final = 2**63 - 1

_WRITE: Final = "write it like 2026-12-31"
_REMEDY: Final = f"{_WRITE} or 2026-12-31T18:00"
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}")
_ISO: Final = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[Tt ].+")
_DIGITS: Final = re.compile("[0-9]+")
#: Most cells repeat; the results of so many are cached.
_MAX_KNOWN: Final = 50_000
_OPEN_STARTS: Final = NO_DATE | NO_BEGINNING
_OPEN_ENDS: Final = NO_DATE | NO_END
#: Databases write dates of these years where there is no date.
_LAST_YEAR: Final = date.max.year
_FIRST_YEAR: Final = date.min.year

#: Names of the column with the start of a row's validity, as `column_name` gives them.
_START_NAMES: Final = frozenset(
    [
        "valid_since",
        "validfrom",
        "valid_start",
        "valid_from_date",
        "start_date",
        "startdate",
        "start",
        "starts",
        "starts_on",
        "starts_at",
        "start_time",
        "effective",
        "effective_from",
        "effective_date",
        "active_from",
        "from",
        "from_date",
        "date_from",
        "begin",
        "begins",
        "begin_date",
        "gultig_ab",
        "gultig_von",
        "gueltig_ab",
        "gueltig_von",
        "ab",
        "von",
        "beginn",
        "ab_datum",
        "von_datum",
        "datum_von",
        "startdatum",
    ]
)
#: Names of the column with its end.
_END_NAMES: Final = frozenset(
    [
        "valid_to",
        "valid_thru",
        "valid_through",
        "valid_till",
        "validto",
        "validuntil",
        "valid_end",
        "valid_until_date",
        "expires",
        "expires_on",
        "expires_at",
        "expire_date",
        "expired_on",
        "expiry",
        "expiry_date",
        "expirydate",
        "date_of_expiry",
        "expiration",
        "expiration_date",
        "expirationdate",
        "exp_date",
        "end_date",
        "enddate",
        "end",
        "ends",
        "ends_on",
        "ends_at",
        "end_time",
        "effective_to",
        "effective_until",
        "active_to",
        "active_until",
        "until",
        "till",
        "thru",
        "to_date",
        "date_to",
        "gultig_bis",
        "gueltig_bis",
        "bis",
        "befristet_bis",
        "bis_datum",
        "datum_bis",
        "ablauf",
        "ablaufdatum",
        "enddatum",
        "ende",
    ]
)


def instant_of(moment: datetime) -> int:
    """An aware datetime in microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_of(instant: int) -> datetime | None:
    """The datetime of an instant, in UTC; None for an open bound."""
    if instant in (ALWAYS, NEVER):
        return None
    return _EPOCH + timedelta(microseconds=instant)


class AmbiguousDateError(ValueError):
    """The order of day, month and year is unknown."""


class DateReader:
    """Reads the cells of one list; times without a zone are in `zone`.

    `order` and `date_format` are from the list's definition. Without them a date such as
    12/31/2026 shows the order of all others. `cells` gives all cells with dates; it is called at
    most once, and only where a date can be read in two ways.
    """

    def __init__(
        self,
        zone: tzinfo,
        order: DateOrder | None = None,
        date_format: DateFormat | None = None,
        cells: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._zone: Final = zone
        self._format: Final = date_format
        self._order: Final = order or (date_format.order if date_format is not None else None)
        self._cells: Final = cells
        #: The orders that cells show for certain, each with the first such cell.
        self.orders_shown: Final[dict[DateOrder, str]] = {}
        self._has_searched_all = False
        #: Caches of the parts before and after the blank of a date with a time.
        self._days: Final[dict[str, date]] = {}
        self._clocks: Final[dict[str, TimeOfDay]] = {}

    def start(self, text: str) -> int:
        """The start of a period, inclusive, in microseconds since 1970; ValueError with the reason.

        A date alone means the beginning of that day, an empty cell ALWAYS.
        """
        found = self._read(text.strip(), _OPEN_STARTS)
        if found is None:
            return ALWAYS
        if not isinstance(found, datetime):
            found = datetime.combine(found, time())
        return self._instant(found)

    def end(self, text: str) -> int:
        """The end of a period, exclusive, in microseconds since 1970; ValueError with the reason.

        A date alone means the end of that day, an empty cell NEVER.
        """
        found = self._read(text.strip(), _OPEN_ENDS)
        if found is None or found.year == _LAST_YEAR:
            return NEVER
        if not isinstance(found, datetime):
            found = datetime.combine(found + timedelta(days=1), time())
        return self._instant(found)

    def is_date(self, text: str) -> bool:
        """Whether the cell is a date, even an ambiguous one; digits alone are not."""
        tidied = tidy(text)
        if _DIGITS.fullmatch(tidied):
            return False
        try:
            day_text, _ = split_clock(tidied)
            if self._format is not None and self._format.day(day_text) is not None:
                return True
            found = day_of(day_text)
            if isinstance(found, NumericDate):
                found.day(found.order or DateOrder.DAY_FIRST)
        except ShortYearError as error:
            return bool(error.formats)
        except ValueError:
            return False
        return True

    def _instant(self, moment: datetime) -> int:
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)
        try:
            return instant_of(aware)
        except OverflowError:
            return ALWAYS if moment.year == 1 else NEVER

    def _read(self, text: str, none: frozenset[str]) -> date | None:
        """A date, or a datetime where the cell has a time of day; None for the words in `none`."""
        if not text:
            return None
        try:
            # The fast cases first; whatever they can't read may have another form.
            if _DATE.fullmatch(text) and not text.startswith("0000"):
                found = date.fromisoformat(text)
            elif _ISO.fullmatch(text) and (moment := _iso(text)) is not None:
                found = moment
            else:
                tidied = tidy(text)
                if tidied in none:
                    return None
                found = self._written(tidied)
        except AmbiguousDateError:
            raise
        except ShortYearError as error:
            raise self._ambiguous_year(error) from None
        except ValueError as error:
            reason = f" ({error})" if str(error) else ""
            raise ValueError(f"is no date{reason}: {_REMEDY}") from None
        return found if found.year != _FIRST_YEAR else None

    def _written(self, text: str) -> date:
        """The date of a tidy text that is not in ISO's form."""
        if self._format is not None and (day := self._format.day(text)) is not None:
            return day
        head, _, tail = text.partition(" ")
        known_day, known_clock = self._days.get(head), self._clocks.get(tail)
        if known_day is not None and known_clock is not None:
            return known_clock.on(known_day)
        day_text, clock = split_clock(text)
        found = self._format.day(day_text) if self._format is not None else None
        if found is None:
            numbers = day_of(day_text)
            found = self._ordered(numbers, text) if isinstance(numbers, NumericDate) else numbers
        if clock is None:
            return found
        if day_text == head:
            self._remember(head, found, tail, clock)
        return clock.on(found)

    def _remember(self, day_text: str, day: date, clock_text: str, clock: TimeOfDay) -> None:
        if max(len(self._days), len(self._clocks)) >= _MAX_KNOWN:
            self._days.clear()
            self._clocks.clear()
        self._days[day_text] = day
        self._clocks[clock_text] = clock

    def _ordered(self, numbers: NumericDate, text: str) -> date:
        if self._order is not None:
            return numbers.day(self._order)
        shown = numbers.order
        if shown is not None:
            day = numbers.day(shown)
            self.orders_shown.setdefault(shown, text)
            return day
        if numbers.first == numbers.second:
            return numbers.day(DateOrder.DAY_FIRST)
        return numbers.day(self._order_of_all(text))

    def _order_of_all(self, text: str) -> DateOrder:
        """The order that the cells of the list show; AmbiguousDateError where it is not one."""
        if not self._has_searched_all:
            self._has_searched_all = True
            for order, cell in orders_of(self._cells()):
                self.orders_shown.setdefault(order, cell)
                if len(self.orders_shown) == len(DateOrder):
                    break
        if len(self.orders_shown) == 1:
            return next(iter(self.orders_shown))
        sign = next(sign for sign in text if sign in "/-")
        formats = [f"DD{sign}MM{sign}YYYY", f"MM{sign}DD{sign}YYYY"]
        raise AmbiguousDateError(f"may have the day or the month first: {_advice(formats)}")

    def _ambiguous_year(self, error: ShortYearError) -> ValueError:
        if not error.formats:
            return ValueError(f"is no date: {_REMEDY}")
        if self._format is not None:
            what = f"is no date of the form {self._format.text}: {_REMEDY}"
            return ValueError(what)
        return AmbiguousDateError(f"has a year of two digits: {_advice(error.formats)}")


def orders_of(cells: Iterable[str]) -> Iterator[tuple[DateOrder, str]]:
    """The orders that cells show for certain, each with such a cell."""
    known: set[str] = set()
    for cell in cells:
        head = cell.partition(" ")[0]
        if head in known or cell in known:
            continue
        if len(known) >= _MAX_KNOWN:
            known.clear()
        numbers = _numbers_of(head)
        known.add(head if numbers is not None else cell)
        numbers = numbers or _numbers_of(cell)
        if numbers is None or (order := numbers.order) is None:
            continue
        try:
            numbers.day(order)
        except ValueError:
            continue
        yield order, cell.strip()


@dataclass(frozen=True, slots=True)
class NamedColumn:
    """One column: its index, its header as it is written, and the name that rules use."""

    index: int
    header: str
    name: str


@dataclass(frozen=True, slots=True)
class DateColumns:
    """The indices of the columns with start and end, None for none.

    `doubt` says which other columns may be these, and `remedy` what to write; "" for no doubt.
    """

    start: int | None
    end: int | None
    doubt: str = ""
    remedy: str = ""


NO_DATES: Final = DateColumns(None, None)


def columns_by_name(
    columns: Sequence[NamedColumn],
    rows: Sequence[Sequence[str]],
    is_date: Callable[[str], bool],
    *,
    wants_start: bool,
    wants_end: bool,
) -> DateColumns:
    """The columns of validity among `columns`, judged by their headers and the first `rows`.

    A column with a usual header counts only where one of its cells is a date, or all are empty. Of
    two such columns neither counts. A column with another header never counts.
    """
    cells = _FirstRows(rows, is_date)
    starts = cells.among(columns, _START_NAMES) if wants_start else []
    ends = cells.among(columns, _END_NAMES) if wants_end else []
    start = starts[0].index if len(starts) == 1 else None
    end = ends[0].index if len(ends) == 1 else None
    for key, found in (("valid_until", ends), ("valid_from", starts)):
        if len(found) > 1:
            names = " and ".join(f"`{each.header}`" for each in found)
            doubt = f"the columns {names} may both be {key}, so none is used"
            return DateColumns(start, end, doubt, f"write which one is: {_choice(key, found)}")
    if not wants_end or end is not None:
        return DateColumns(start, end)
    unused = [each for each in columns if each.index != start and cells.are_dates(each.index)]
    if not unused:
        return DateColumns(start, end)
    names = " and ".join(f"`{each.header}`" for each in unused)
    verb = "columns {} hold dates, and are" if len(unused) > 1 else "column {} holds dates, and is"
    remedy = (
        f"if rows end on that day, write {_choice('valid_until', unused)}, else `valid_until: none`"
    )
    return DateColumns(start, end, f"the {verb.format(names)} not used", remedy)


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _numbers_of(text: str) -> NumericDate | None:
    try:
        found = day_of(split_clock(tidy(text))[0])
    except ValueError:
        return None
    return found if isinstance(found, NumericDate) else None


def _advice(formats: Iterable[str]) -> str:
    shown = " or ".join(f"`date_format: {each}`" for each in formats)
    return f"{_WRITE}, or give the list {shown}"


def _choice(key: str, columns: Collection[NamedColumn]) -> str:
    return " or ".join(f"`{key}: {each.header}`" for each in columns)


class _FirstRows:
    """The first rows of a list, by column."""

    def __init__(self, rows: Sequence[Sequence[str]], is_date: Callable[[str], bool]) -> None:
        self._rows: Final = rows
        self._is_date: Final = is_date

    def among(self, columns: Sequence[NamedColumn], names: Collection[str]) -> list[NamedColumn]:
        """The columns with one of these names whose cells are dates, at least one, or empty."""
        return [each for each in columns if each.name in names and self._may_be(each.index)]

    def are_dates(self, index: int) -> bool:
        """Whether all filled cells of the column are dates, at least one."""
        filled = self._filled(index)
        return bool(filled) and all(map(self._is_date, filled))

    def _may_be(self, index: int) -> bool:
        filled = self._filled(index)
        return not filled or any(map(self._is_date, filled))

    def _filled(self, index: int) -> list[str]:
        cells = (row[index] for row in self._rows if index < len(row))
        return [cell for cell in cells if cell.strip() and tidy(cell) not in _OPEN_ENDS]
