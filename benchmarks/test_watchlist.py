"""Rules on watchlists: how long lists load, what they take, and what an event costs.

A load is measured in a process of its own. A list is asked once for all of its rules, so that
neither its length nor their number should matter; rules with a list each stand beside the same
rules with the plates written into them (`in_list`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path

import pytest

from benchmarks.load_probe import probe
from benchmarks.measure import Measurement
from benchmarks.mixed_rules import compiled, load
from benchmarks.readings import events
from engine.bench.rule_sets import (
    PLATE,
    PLATES_A_LIST,
    PlainCondition,
    PlainRule,
    site_file,
    site_rules,
)
from engine.demo.cameras import make_plate
from engine.match import IndexedMatcher
from engine.rules import Rule

LOAD = "11 watchlists, load"
EVENT = "11 watchlists, an event"
MILLION = 1_000_000
OWN_LISTS = 1_000
EVENTS = 1_000


def plates(count: int) -> list[str]:
    """So many plates, all different."""
    chance = random.Random(5)
    found: dict[str, None] = {}
    while len(found) < count:
        found[make_plate(chance)] = None
    return list(found)


def write(path: Path, lines: Iterable[str]) -> None:
    """A file of these lines."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def noted(count: int) -> Iterable[str]:
    """The lines of a table of plates, each with an end and a note of its own."""
    chance = random.Random(6)
    yield "plate,valid_until,note"
    for plate in plates(count):
        day = f"2099-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        case = chance.randrange(MILLION)
        yield f"{plate},{day},stolen on {day} case {case} officer {chance.randrange(500)}"


def site(folder: Path, name: str, lines: Iterable[str]) -> Path:
    """A rule file with the 50 rules of a site, on a list of these lines."""
    write(folder / name, lines)
    path = folder / "site.yaml"
    path.write_text(site_file(site_rules(()), name), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["csv", "txt"])
def test_load_of_a_million_rows(kind: str, measure: Measurement, tmp_path: Path) -> None:
    lines = noted(MILLION) if kind == "csv" else plates(MILLION)
    path = site(tmp_path, f"million.{kind}", lines)
    found = [probe(path) for _ in range(3)]
    measure.rounds("a million rows, load", lambda: None, 1)
    what = "10^6 rows with end and note" if kind == "csv" else "10^6 plates alone"
    best = min(found, key=lambda each: each.seconds)
    peak = max(each.peak_megabytes - each.before_megabytes for each in found)
    measure.tell(LOAD, f"{what} (bound: 3 s)", best.seconds, "s")
    measure.tell(LOAD, f"{what}, growth", best.growth_megabytes, "MB")
    measure.tell(LOAD, f"{what}, peak (bound: 200 MB)", peak, "MB")


def watched(rules: Sequence[Rule], measure: Measurement, what: str) -> None:
    """Measure the rules on events of which none is on a list."""
    matcher = IndexedMatcher(rules)
    turns = cycle(events(EVENTS))
    seconds = measure.calls("rules on watchlists, an event", lambda: matcher.match(next(turns)))
    measure.tell(EVENT, what, seconds * 1e6, "µs an event")


@pytest.mark.parametrize("count", [1_000, 100_000, MILLION])
def test_rules_that_share_a_list(count: int, measure: Measurement, tmp_path: Path) -> None:
    path = site(tmp_path, "shared.csv", noted(count))
    rules = load(path.read_text(), tmp_path).rules
    watched(rules, measure, f"50 rules, one list of {count:,}")


def test_rules_that_ask_for_rows_of_a_list(measure: Measurement, tmp_path: Path) -> None:
    write(tmp_path / "twice.csv", [*(lines := list(noted(100_000))), *lines[1:]])
    rows = f'watchlist("twice").rows({PLATE})'
    text = "watchlists: {twice: twice.csv}\nrules:\n" + "".join(
        f"  - {{id: rule-{number}, notify: [], when: '{rows}.exists(r, r.note == \"{number}\")'}}\n"
        for number in range(50)
    )
    watched(load(text, tmp_path).rules, measure, "50 rules on rows, one list of 100,000")


@pytest.mark.parametrize(
    ("asked", "condition"),
    [("", '{} in watchlist("{}")'), (", by likeness", 'similar({}, watchlist("{}"))')],
)
def test_rules_with_a_list_each(
    asked: str, condition: str, measure: Measurement, tmp_path: Path
) -> None:
    chance = random.Random(7)
    names = [f"list-{number}" for number in range(OWN_LISTS)]
    for name in names:
        write(tmp_path / f"{name}.txt", [make_plate(chance) for _ in range(PLATES_A_LIST)])
    lists = "".join(f"  {name}: {name}.txt\n" for name in names)
    text = f"watchlists:\n{lists}rules:\n" + "".join(
        f"  - {{id: {name}, notify: [], when: '{condition.format(PLATE, name)}'}}\n"
        for name in names
    )
    watched(load(text, tmp_path).rules, measure, f"1,000 rules, each a list of 10{asked}")


def test_the_same_rules_with_an_in_list_each(measure: Measurement, tmp_path: Path) -> None:
    chance = random.Random(7)
    rules = [
        PlainRule(f"rule-{number}", (PlainCondition(PLATE, "in_list", own),))
        for number in range(OWN_LISTS)
        for own in ([make_plate(chance) for _ in range(PLATES_A_LIST)],)
    ]
    watched(compiled(rules, tmp_path), measure, "1,000 rules, each an in_list of 10")
