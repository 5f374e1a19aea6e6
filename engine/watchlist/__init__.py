"""Watchlists: plates in CSV and text files, each perhaps with a time in which it counts."""

from __future__ import annotations

from engine.watchlist.definition import Definition
from engine.watchlist.watchlist import Watchlist

__all__ = ["Definition", "Watchlist"]
