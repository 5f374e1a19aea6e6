"""The nearest row of a watchlist: how long its index is built, what it takes, and an event costs.

A reading is of a plate on the list (hit), of one with a character misread (near miss), or of a car
that is not on the list (miss). The same list is gone through with `rapidfuzz`, whose distance is 1
for every edit, and plate by plate with the costs of the engine.
"""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import cycle
from pathlib import Path

import pytest
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from benchmarks.measure import Measurement
from benchmarks.test_watchlist import MILLION, plates, write
from engine.demo.cameras import make_plate
from engine.errors import Place
from engine.watchlist import Definition, Watchlist, read_watchlist, standard_costs
from engine.watchlist.costs import SEVERE
from engine.watchlist.likeness import DEFAULT_THRESHOLD, budget, cost_of
from engine.watchlist.likeness_index import LikenessIndex

BUILD = "the index of likeness"
EVENT = "the nearest row of a list, an event"
NOW = datetime(2026, 5, 5, tzinfo=UTC)
SIZES = (10_000, 100_000, MILLION)
KINDS = ("hit", "near miss", "miss")
READINGS = 5_000
#: Texts that meet in very many keys.
CLASSES = "0ODQ1IL"


@cache
def texts(count: int) -> list[str]:
    """The plates of a list."""
    return plates(count)


def misread(chance: random.Random, plate: str) -> str:
    """The plate with one character read as one that is easily confused with it."""
    pairs = [pair for pair, cost in sorted(standard_costs().pairs.items()) if cost < SEVERE]
    places = [
        (at, pair[1]) for at, each in enumerate(plate) for pair in pairs if pair[0] == each
    ] or [(0, plate[0])]
    at, other = chance.choice(places)
    return plate[:at] + other + plate[at + 1 :]


@cache
def readings(kind: str, count: int) -> list[str]:
    """Readings of a kind, for a list of so many plates."""
    chance = random.Random(8)
    known = texts(count)
    listed = set(known)
    if kind == "miss":
        made = (make_plate(chance) for _ in range(2 * READINGS))
        return [each for each in made if each not in listed][:READINGS]
    read = chance.choices(known, k=READINGS)
    if kind == "hit":
        return read
    return [each for each in (misread(chance, plate) for plate in read) if each not in listed]


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Watchlist]:
    """Lists of so many plates, ready to be asked."""
    folder = tmp_path_factory.mktemp("lists")

    @cache
    def ready(count: int) -> Watchlist:
        path = folder / f"{count}.txt"
        write(path, texts(count))
        return loaded(path)

    return ready


def loaded(path: Path) -> Watchlist:
    """The list of a file, ready to be asked."""
    found = read_watchlist(Definition("listed", path, Place("rules.yaml")), UTC).watchlist
    assert found is not None
    found.prepare_likeness()
    return found


def tell_calls(
    measure: Measurement,
    section: str,
    what: str,
    ask: Callable[[str], object],
    asked: Sequence[str],
) -> None:
    """Measures a call for each text: the median, and the 99th percentile."""
    turns = cycle(asked)
    median = measure.calls(section, lambda: ask(next(turns)))
    measure.tell(section, what, median * 1e6, "µs")
    took: list[float] = []
    for text in asked:
        start = time.perf_counter()
        ask(text)
        took.append(time.perf_counter() - start)
    took.sort()
    measure.tell(section, f"{what}, p99", took[len(took) * 99 // 100] * 1e6, "µs")


@pytest.mark.parametrize("count", SIZES)
def test_build(count: int, measure: Measurement) -> None:
    known, costs = texts(count), standard_costs()

    def build() -> LikenessIndex:
        return LikenessIndex(known, DEFAULT_THRESHOLD, costs)

    seconds = measure.rounds(BUILD, build, 3)
    measure.tell(BUILD, f"{count:,} plates, build (bound: 2 s)", seconds, "s")
    gc.collect()
    tracemalloc.start()
    index = build()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert index.near(known[0])
    measure.tell(BUILD, f"{count:,} plates, kept", kept / 1e6, "MB")
    measure.tell(BUILD, f"{count:,} plates, peak (bound: 400 MB)", peak / 1e6, "MB")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", SIZES)
def test_nearest_row(
    count: int, kind: str, measure: Measurement, lists: Callable[[int], Watchlist]
) -> None:
    watchlist = lists(count)
    what = f"{kind}, {count:,} plates (bound: 50 µs)"
    tell_calls(
        measure, EVENT, what, lambda text: watchlist.closest(text, NOW), readings(kind, count)
    )


@pytest.mark.parametrize("count", SIZES)
def test_rapidfuzz(count: int, measure: Measurement) -> None:
    known, turns = texts(count), cycle(readings("near miss", count))
    seconds = measure.rounds(
        EVENT,
        lambda: process.extractOne(next(turns), known, scorer=Levenshtein.distance, score_cutoff=1),
        10,
    )
    what = f"near miss, {count:,} plates, rapidfuzz's uniform distance"
    measure.tell(EVENT, what, seconds * 1e6, "µs")


@pytest.mark.parametrize("count", SIZES[:2])
def test_linear_scan(count: int, measure: Measurement) -> None:
    known, costs, turns = texts(count), standard_costs(), cycle(readings("near miss", count))

    def scan() -> str | None:
        text = next(turns)
        best, nearest = budget(DEFAULT_THRESHOLD, len(text)), None
        for plate in known:
            cost = cost_of(plate, text, costs, best)
            if cost <= best:
                best, nearest = cost - 1, plate
        return nearest

    seconds = measure.rounds(EVENT, scan, 2)
    measure.tell(EVENT, f"near miss, {count:,} plates, plate by plate", seconds * 1e6, "µs")


def test_plates_of_two_classes(measure: Measurement, tmp_path: Path) -> None:
    chance = random.Random(9)
    known = ["".join(chance.choices(CLASSES, k=chance.choice((5, 6, 7)))) for _ in range(100_000)]
    write(tmp_path / "classes.txt", dict.fromkeys(known))
    watchlist = loaded(tmp_path / "classes.txt")
    asked = ["".join(chance.choices(CLASSES + "AB", k=6)) for _ in range(500)]
    what = f"100,000 plates of {CLASSES} only"
    tell_calls(measure, EVENT, what, lambda text: watchlist.closest(text, NOW), asked)
