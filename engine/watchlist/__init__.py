"""Reads watchlists: CSV and text files of plates, each row perhaps with a period of validity.

It never reads YAML (see `engine.rules`), and never guesses: a cell that may be two plates is
reported and left out. Read `reader.py` first, then `watchlist.py`.
"""

from __future__ import annotations

from engine.watchlist.costs import PlateCosts, costs_of, standard_costs
from engine.watchlist.date_forms import DateFormat, DateOrder
from engine.watchlist.plates import CHARACTERS, normalise, plate_of, why_unusable
from engine.watchlist.reader import SUFFIXES, ListResult, read_watchlist
from engine.watchlist.watchlist import (
    STANDARD_COLUMNS,
    Definition,
    ListSummary,
    Watchlist,
    first_difference,
)

__all__ = [
    "CHARACTERS",
    "STANDARD_COLUMNS",
    "SUFFIXES",
    "DateFormat",
    "DateOrder",
    "Definition",
    "ListResult",
    "ListSummary",
    "PlateCosts",
    "Watchlist",
    "costs_of",
    "first_difference",
    "normalise",
    "plate_of",
    "read_watchlist",
    "standard_costs",
    "why_unusable",
]
