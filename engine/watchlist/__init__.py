"""Watchlists: plates in CSV and text files, each perhaps with a time in which it counts."""

from __future__ import annotations

from engine.watchlist.cell import why_unusable
from engine.watchlist.date_forms import DateFormat, DateOrder
from engine.watchlist.gathering import first_difference
from engine.watchlist.plates import CHARACTERS, normalise, plate_of
from engine.watchlist.reader import SUFFIXES, Reading, read_watchlist
from engine.watchlist.watchlist import STANDING_COLUMNS, Definition, Remembered, Watchlist

__all__ = [
    "CHARACTERS",
    "STANDING_COLUMNS",
    "SUFFIXES",
    "DateFormat",
    "DateOrder",
    "Definition",
    "Reading",
    "Remembered",
    "Watchlist",
    "first_difference",
    "normalise",
    "plate_of",
    "read_watchlist",
    "why_unusable",
]
