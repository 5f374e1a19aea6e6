"""Files with costs of misread plates."""

from __future__ import annotations

from pathlib import Path

from engine.watchlist import PlateCosts
from engine.watchlist.costs import read_costs

#: The least that a file of costs has to say.
WORDS = "50 end double\n60 mixed inside\n100 other\n"


def costs_file(folder: Path, text: str) -> Path:
    """A file `costs.txt` with that text."""
    path = folder / "costs.txt"
    path.write_text(text)
    return path


def changed_costs(folder: Path) -> PlateCosts:
    """Costs that are not the package's: those of `costs.txt`, which is written for them."""
    return read_costs(costs_file(folder, f"10 0O XY\n{WORDS}"))
