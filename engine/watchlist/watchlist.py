"""A list as rules ask it: is this plate on it at that time, and what does its row say."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from engine.watchlist.definition import NOTE, VALID_FROM, VALID_UNTIL, Definition
from engine.watchlist.rows import Rows

#: Bounds of rows that name none, in microseconds since 1970.
ALWAYS: Final = -(2**63)
NEVER: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FileMark:
    """What tells whether a file is the one that was read: device, inode, size, and its time."""

    device: int
    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Validity:
    """From when (inclusive) until when (exclusive) each row counts, in microseconds since 1970.

    None where the file has no such column.
    """

    starts: array[int] | None = None
    ends: array[int] | None = None

    def covers(self, row: int, instant: int) -> bool:
        """Whether the row is in force at that instant."""
        starts, ends = self.starts, self.ends
        return (starts is None or starts[row] <= instant) and (ends is None or instant < ends[row])


@dataclass(frozen=True, slots=True, eq=False)
class Watchlist:
    """One loaded list; it never changes.

    `plates` has every plate, as the producer normalises it, with the number of its row; a number
    below 0 stands for the rows `repeated[-1 - number]`, for a plate may stand in several.
    `columns` are the names of the columns that `[plate].name` may ask for beyond the standing
    ones. `skipped_count` is how many rows can't be used.
    """

    definition: Definition
    plates: Mapping[str, int] = field(repr=False)
    row_count: int
    skipped_count: int
    columns: tuple[str, ...]
    rows: Rows = field(repr=False)
    validity: Validity | None = field(repr=False)
    repeated: Sequence[tuple[int, ...]] = field(repr=False)
    mark: FileMark
    zone: str = "UTC"

    @property
    def name(self) -> str:
        """What rules call it."""
        return self.definition.name

    @property
    def path(self) -> Path:
        """Its file."""
        return self.definition.path

    def is_in_force(self, number: int, time: datetime) -> bool:
        """Whether one of a plate's rows counts at `time`; `number` is what `plates` has."""
        return self._row_at(number, time) is not None

    def row(self, plate: str, time: datetime) -> dict[str, Any] | None:
        """What the plate's row in force at `time` says, the first of them; None if there is none.

        Columns are texts, None where they are empty; `valid_from` and `valid_until` are instants
        in UTC, None where they are open.
        """
        number = self.plates.get(plate)
        row = self._row_at(number, time) if number is not None else None
        if row is None:
            return None
        values: dict[str, Any] = dict.fromkeys((NOTE, *self.columns))
        values.update(zip(self.rows.columns, self.rows[row], strict=True))
        starts = self.validity.starts if self.validity is not None else None
        ends = self.validity.ends if self.validity is not None else None
        values[VALID_FROM] = _moment(starts[row]) if starts is not None else None
        values[VALID_UNTIL] = _moment(ends[row]) if ends is not None else None
        return values

    def count_in_force(self, time: datetime) -> int:
        """How many plates are on the list at `time`."""
        if self.validity is None:
            return len(self.plates)
        return sum(self.is_in_force(number, time) for number in self.plates.values())

    def _row_at(self, number: int, time: datetime) -> int | None:
        if self.validity is None:
            return number
        instant = _microseconds(time)
        for row in (number,) if number >= 0 else self.repeated[-1 - number]:
            if self.validity.covers(row, instant):
                return row
        return None


def _microseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _moment(instant: int) -> datetime | None:
    if instant in (ALWAYS, NEVER):
        return None
    return _EPOCH + timedelta(microseconds=instant)
