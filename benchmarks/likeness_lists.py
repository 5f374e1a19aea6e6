"""How much likeness finds that is not meant, by the length of a list and the threshold.

The lists are made up: three forms of plates (`FORMS`), drawn evenly, as are the readings with which
`check` asks them. The table has what `check` reports: the share of readings of other cars that
match, the number of pairs of the list's own plates that match each other, and how long the report
takes, with the index.

`python -m benchmarks.likeness_lists` prints it, and takes a minute.
"""

from __future__ import annotations

import argparse
import random
import string
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from engine.errors import Place
from engine.watchlist import Definition, Watchlist, read_watchlist
from engine.watchlist.likeness_report import LikenessReport, likeness_report

#: A is any letter, 0 any digit: states of the United States, and Great Britain.
FORMS: Final = ("AAA0000", "AAA000", "AA00AAA")
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
THRESHOLDS: Final = (0.9, 0.92, 0.95, 0.96, 0.97)


def made_up_list(folder: Path, size: int) -> Watchlist:
    """A list of so many different plates, always the same."""
    chance = random.Random(f"list of {size}")
    plates: set[str] = set()
    while len(plates) < size:
        form = chance.choice(FORMS)
        signs = (string.ascii_uppercase if each == "A" else string.digits for each in form)
        plates.add("".join(map(chance.choice, signs)))
    path = folder / f"{size}.csv"
    path.write_text("plate\n" + "\n".join(sorted(plates)) + "\n")
    found = read_watchlist(Definition("made_up", path, Place("rules.yaml")), UTC).watchlist
    assert found is not None
    return found


def row(watchlist: Watchlist, threshold: float) -> tuple[LikenessReport, float]:
    """The report for a threshold, and the seconds that it took."""
    start = time.perf_counter()
    report = likeness_report(watchlist, {threshold}, datetime.now(UTC))
    return report, time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    sizes = parser.parse_args(arguments).sizes
    print("| Plates | Threshold | Other cars that match | Pairs | Seconds |")
    print("|---|---|---|---|---|")
    for size in sizes:
        with TemporaryDirectory() as folder:
            watchlist = made_up_list(Path(folder), size)
            for threshold in THRESHOLDS:
                report, seconds = row(watchlist, threshold)
                cells = (f"{size:,}", f"{threshold:g}", report.false_matches, report.pair_count)
                print(f"| {' | '.join(map(str, cells))} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
