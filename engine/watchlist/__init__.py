"""Watchlists: plates in CSV and text files, each perhaps with a time in which it counts."""

from __future__ import annotations

from engine.watchlist.date_format import DateFormat
from engine.watchlist.date_text import DateOrder
from engine.watchlist.definition import STANDING_COLUMNS, Definition
from engine.watchlist.plates import normalise
from engine.watchlist.reader import SUFFIXES, Reading, read_watchlist
from engine.watchlist.watchlist import Remembered, Watchlist

__all__ = [
    "STANDING_COLUMNS",
    "SUFFIXES",
    "DateFormat",
    "DateOrder",
    "Definition",
    "Reading",
    "Remembered",
    "Watchlist",
    "normalise",
    "read_watchlist",
]
