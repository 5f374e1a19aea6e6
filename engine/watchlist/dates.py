"""Dates and times in cells of a list, as instants."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Bounds that are open, in microseconds since 1970.
ALWAYS: Final = -(2**63)
NEVER: Final = 2**63 - 1

_REMEDY: Final = "write it like 2026-12-31 or 2026-12-31T18:00"
_LOCAL: Final = re.compile(
    r"([0-9]{1,2})([./])([0-9]{1,2})\2([0-9]{4})(?:[ T,]+([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?))?"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}")
_ISO: Final = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[Tt ].+")


def instant_of(moment: datetime) -> int:
    """An aware moment in microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_of(instant: int) -> datetime | None:
    """The moment in UTC, None for a bound that is open."""
    if instant in (ALWAYS, NEVER):
        return None
    return _EPOCH + timedelta(microseconds=instant)


class DateOrder(StrEnum):
    """Which comes first in 01/02/2026."""

    MONTH_FIRST = "month_first"
    DAY_FIRST = "day_first"


class AmbiguousDateError(ValueError):
    """Nobody can tell the day from the month."""

    def __init__(self) -> None:
        super().__init__(
            "may have the day or the month first: write it like 2026-12-31, or give the list "
            "`dates: day_first` or `dates: month_first`"
        )


class Calendar:
    """Reads cells; naive times are in `zone`, dates with slashes in `order`."""

    def __init__(self, zone: tzinfo, order: DateOrder | None = None) -> None:
        self._zone: Final = zone
        self._order: Final = order

    def start(self, text: str) -> int:
        """From when it is, in microseconds since 1970; ValueError says what is wrong with it.

        A date alone is the beginning of that day, an empty cell the beginning of time.
        """
        text = text.strip()
        if not text:
            return ALWAYS
        found = self._read(text)
        day = found if not isinstance(found, datetime) else None
        return self._instant(datetime.combine(day, time()) if day is not None else found)

    def end(self, text: str) -> int:
        """Until when it is, exclusive; a date alone is the end of that day, empty is for ever."""
        text = text.strip()
        if not text:
            return NEVER
        found = self._read(text)
        if isinstance(found, datetime):
            return self._instant(found)
        if found == date.max:
            return NEVER
        return self._instant(datetime.combine(found + timedelta(days=1), time()))

    def _instant(self, moment: date) -> int:
        assert isinstance(moment, datetime)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)
        try:
            return instant_of(aware)
        except OverflowError:
            return ALWAYS if moment.year == 1 else NEVER

    def _read(self, text: str) -> date:
        """A date, or a datetime where there is a time of day."""
        try:
            if _DATE.fullmatch(text):
                return date.fromisoformat(text)
            if _ISO.fullmatch(text):
                return datetime.fromisoformat(text)
            local = _LOCAL.fullmatch(text)
            if local is not None:
                return self._local(local)
        except AmbiguousDateError:
            raise
        except ValueError as error:
            raise ValueError(f"is no date ({error}): {_REMEDY}") from None
        raise ValueError(f"is no date: {_REMEDY}")

    def _local(self, found: re.Match[str]) -> date:
        """A date as a spreadsheet writes it in some countries."""
        first, sign, second, year, clock = found.groups()
        day, month = int(first), int(second)
        if sign == "/":
            if self._order is None:
                raise AmbiguousDateError
            if self._order is DateOrder.MONTH_FIRST:
                day, month = month, day
        moment = date(int(year), month, day)
        if clock is None:
            return moment
        return datetime.combine(moment, time.fromisoformat(clock.rjust(len("00:00"), "0")))
