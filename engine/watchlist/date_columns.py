"""Finds the columns of validity that no definition names: by their headers and their cells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from engine.watchlist.date_forms import NO_DATE, NO_END, tidy

#: Names of the column with the start of a row's validity, as `column_name` gives them.
_STARTS: Final = frozenset(
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
_ENDS: Final = frozenset(
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
_NONE: Final = NO_DATE | NO_END


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
    starts = cells.among(columns, _STARTS) if wants_start else []
    ends = cells.among(columns, _ENDS) if wants_end else []
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
        return [cell for cell in cells if cell.strip() and tidy(cell) not in _NONE]
