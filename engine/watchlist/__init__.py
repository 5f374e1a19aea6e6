"""Watchlists: plates in CSV and text files, each perhaps with a time in which it counts."""

from __future__ import annotations

from engine.watchlist.cell import why_unusable
from engine.watchlist.date_format import DateFormat
from engine.watchlist.date_text import DateOrder
from engine.watchlist.definition import STANDING_COLUMNS, Definition
from engine.watchlist.differences import first_difference
from engine.watchlist.plates import CHARACTERS, normalise, plate_of
from engine.watchlist.reader import SUFFIXES, Reading, read_watchlist
from engine.watchlist.watchlist import Remembered, Watchlist

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
