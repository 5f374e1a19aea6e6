"""Reading lists from a text, for the tests of the reader's parts."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from engine.errors import Place
from engine.watchlist import Definition, ListResult, Watchlist, read_watchlist

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
RULES = Place("rules.yaml", 2, 3)


def definition(path: Path, **keys: Any) -> Definition:
    """The definition of a list `stolen` in that file."""
    return Definition("stolen", path, RULES, **keys)


def read(
    folder: Path,
    text: str | bytes,
    *,
    name: str = "list.csv",
    zone: tzinfo = UTC,
    known: Watchlist | None = None,
    **keys: Any,
) -> ListResult:
    """What becomes of a file with that text."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_watchlist(definition(path, **keys), zone, known)


def good(folder: Path, text: str | bytes, **keys: Any) -> Watchlist:
    """The list of a file that can be used."""
    found = read(folder, text, **keys).watchlist
    assert found is not None
    return found


def note(watchlist: Watchlist, plate: str, time: datetime = NOW) -> object:
    """The note of a plate that is on the list."""
    row = watchlist.row(plate, time)
    assert row is not None
    return row["note"]


def faults(folder: Path, text: str | bytes, **keys: Any) -> list[str]:
    """The faults of a file as `file:line: what, remedy`."""
    found = read(folder, text, **keys).faults
    return [str(fault).replace(f"{folder}/", "").replace(":1: ", ": ", 1) for fault in found]
