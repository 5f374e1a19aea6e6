"""What a rule file says of a list: its name, its file, and which columns are meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.errors import Place
from engine.watchlist.date_format import DateFormat
from engine.watchlist.date_text import DateOrder

DEFAULT_MAX_SHRINK: Final = 0.5
#: Shorter lists may lose all of their rows, unless their definition says otherwise.
GUARDED_ROWS: Final = 100
#: What a definition says in place of a header, so that no column is taken.
NO_COLUMN: Final = "none"
NOTE: Final = "note"
VALID_FROM: Final = "valid_from"
VALID_UNTIL: Final = "valid_until"
#: What every row has, be it null.
STANDING_COLUMNS: Final = (NOTE, VALID_FROM, VALID_UNTIL)


@dataclass(frozen=True, slots=True)
class Definition:
    """One entry of `watchlists:`.

    `column` names the plates' column, `note`, `valid_from` and `valid_until` those that have other
    names in the file; None is a usual name. `dates` says how 01/02/2026 is read, `date_format` how
    dates are written. `max_shrink` is the share of its rows, 0 to 1, that a list may lose from one
    load to the next; None is `DEFAULT_MAX_SHRINK` from `GUARDED_ROWS` rows on. `min_rows` is how
    many it must have. `place` is where the entry stands.
    """

    name: str
    path: Path
    place: Place = field(compare=False)
    column: str | None = None
    note: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    dates: DateOrder | None = None
    date_format: DateFormat | None = None
    max_shrink: float | None = field(default=None, compare=False)
    min_rows: int = field(default=0, compare=False)

    def may_shrink(self, row_count: int) -> float:
        """The share of its rows, 0 to 1, that the list may lose now that it has so many."""
        if self.max_shrink is not None:
            return self.max_shrink
        return DEFAULT_MAX_SHRINK if row_count >= GUARDED_ROWS else 1.0
