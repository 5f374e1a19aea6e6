"""Watchlists: plates in CSV and text files, each perhaps with a time in which it counts."""

from __future__ import annotations

from engine.watchlist.builder import first_difference
from engine.watchlist.date_forms import DateFormat, DateOrder
from engine.watchlist.plate_cell import why_unusable
from engine.watchlist.plates import CHARACTERS, normalise, plate_of
from engine.watchlist.reader import SUFFIXES, ListResult, read_watchlist
from engine.watchlist.watchlist import STANDING_COLUMNS, Definition, ListSummary, Watchlist

__all__ = [
    "CHARACTERS",
    "STANDING_COLUMNS",
    "SUFFIXES",
    "DateFormat",
    "DateOrder",
    "Definition",
    "ListResult",
    "ListSummary",
    "Watchlist",
    "first_difference",
    "normalise",
    "plate_of",
    "read_watchlist",
    "why_unusable",
]
