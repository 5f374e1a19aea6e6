"""What a rule file says of a list: its name, its file, and which columns are meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.errors import Place
from engine.watchlist.dates import DateOrder

DEFAULT_MAX_SHRINK: Final = 0.5
NOTE: Final = "note"
VALID_FROM: Final = "valid_from"
VALID_UNTIL: Final = "valid_until"
#: What every row has, be it null.
STANDING_COLUMNS: Final = (NOTE, VALID_FROM, VALID_UNTIL)


@dataclass(frozen=True, slots=True)
class Definition:
    """One entry of `watchlists:`.

    `column` names the plates' column, `note`, `valid_from` and `valid_until` those that have other
    names in the file; None is the usual name. `dates` tells how 01/02/2026 is read. `max_shrink` is
    the share of its rows, 0 to 1, that a list may lose from one load to the next. `place` is where
    the entry stands.
    """

    name: str
    path: Path
    place: Place = field(compare=False)
    column: str | None = None
    note: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    dates: DateOrder | None = None
    max_shrink: float = field(default=DEFAULT_MAX_SHRINK, compare=False)
