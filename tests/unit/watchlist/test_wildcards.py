"""Rows of a list with wildcards: how cells are read, and which plates they fit."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import combinations_with_replacement, pairwise, product
from pathlib import Path
from random import Random

import pytest

from engine.watchlist.costs import standard_costs
from engine.watchlist.likeness import budget, likeness_of
from engine.watchlist.plates import CHARACTERS, DOUBTFUL, TOO_LONG, WILDCARD, NoPlateError
from engine.watchlist.wildcards import NO_LITERAL, WildcardRows, literals, wildcard_plate
from tests.unit.watchlist.list_files import NOW, faults, good, note, read

COSTS = standard_costs()


@pytest.mark.parametrize(
    ("cell", "plate"),
    [
        ("WH89K*", "WH89K*"),
        ("SL???", "SL???"),
        ("ab-?12*", "AB?12*"),
        ("WH 89 K*", "WH89K*"),
        ("K ?? 1234", "K??1234"),
        ("ＡＢ＊", "AB*"),
        ("A？1", "A?1"),
        ("AB * CD", "AB*CD"),
        ("A**1", "A*1"),
        ("A*?*1", "A?*1"),
        ("A?*", "A?*"),
        ("A*?", "A?*"),
        ("AB?12 # perhaps 123?", "AB?12"),
        ("ABC?23 stolen", "ABC?23"),
        ("Ä?12", "?12"),
        ("'1?34'", "1?34"),
        ("AB* perhaps?", "AB*"),
    ],
)
def test_a_cell_with_wildcards_is_normalised_as_a_plate(cell: str, plate: str) -> None:
    assert wildcard_plate(cell) == plate


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("*", NO_LITERAL),
        ("???", NO_LITERAL),
        ("* *", NO_LITERAL),
        ("ABC123 AB*", DOUBTFUL),
        ("ABC123 # ?", WILDCARD),
        ("A" * 20 + "?", TOO_LONG),
    ],
)
def test_a_cell_with_wildcards_that_is_uncertain_is_refused(cell: str, reason: str) -> None:
    with pytest.raises(NoPlateError, match=re.escape(reason)):
        wildcard_plate(cell)


def test_a_list_has_rows_with_wildcards_beside_others(tmp_path: Path) -> None:
    text = "plate,note\nWH89K*,begins so\nSL???,three more\nWH*KR,in the middle\nABC123,plain\n"
    found = good(tmp_path, text)
    assert (found.row_count, found.skipped_count, found.plate_count) == (4, 0, 4)
    assert found.faults == ()
    assert note(found, "wh-89 k77") == "begins so"
    assert note(found, "WH89K") == "begins so"
    assert note(found, "SL1A2") == "three more"
    assert note(found, "WHKR") == "in the middle"
    assert not found.is_on("SL12", NOW)
    assert not found.is_on("WH89", NOW)
    assert not found.is_on("WHKR1", NOW)
    assert not found.is_on("", NOW)
    assert found.count_in_force(NOW) == 4


def test_a_text_file_has_wildcards_too(tmp_path: Path) -> None:
    found = good(tmp_path, "ABC123\nAB?12*\n", name="list.txt")
    assert found.is_on("ABX12", NOW)
    assert set(found.plates) == {"ABC123"}


def test_a_whole_plate_goes_before_wildcards_and_these_as_in_the_file(tmp_path: Path) -> None:
    found = good(tmp_path, "plate,note\nAB*,first\nABC?,second\nABC1,whole\n")
    assert [row["note"] for row in found.rows_of("ABC1", NOW)] == ["whole", "first", "second"]
    assert note(found, "ABC1") == "whole"
    assert note(found, "ABC2") == "first"


def test_only_rows_in_force_count(tmp_path: Path) -> None:
    text = "plate,note,valid_from,valid_until\nAB*,old,,2020-01-01\nAB*,new,2030-01-01,\n"
    text += "AB1,whole,,2020-01-01\nA?1,now,,\n"
    found = good(tmp_path, text)
    assert note(found, "AB1") == "now"
    assert not found.is_on("AB2", NOW)
    assert found.may_be_on("AB2")
    assert note(found, "AB2", datetime(2031, 1, 1, tzinfo=UTC)) == "new"
    assert found.count_in_force(NOW) == 1
    nearest = found.closest("AB1", NOW)
    assert nearest is not None
    assert nearest["plate"] == "A?1"


def test_wildcards_may_be_misread_within_the_budget(tmp_path: Path) -> None:
    found = good(tmp_path, "plate,note\nWH89K*,x\n")
    assert not found.is_on("WHB9K77", NOW)
    nearest = found.closest("WHB9K77", NOW)
    assert nearest is not None
    assert (nearest["plate"], nearest["likeness"]) == ("WH89K*", likeness_of(20, 5))
    assert nearest["is_ambiguous"] is False
    assert found.similar("WHB9K77", NOW)
    assert not found.similar("WHB9K77", NOW, 0.99)
    assert not found.similar("WH9K77", NOW)


def test_a_whole_plate_goes_before_wildcards_that_are_as_near(tmp_path: Path) -> None:
    found = good(tmp_path, "plate,note\nABC12?,x\nABC???*,y\nABC123,z\n")
    (first, *others) = found.nearest("ABC123", NOW, 5)
    assert (first.plate, first.likeness) == ("ABC123", 1.0)
    assert [each.plate for each in others] == ["ABC12?", "ABC???*"]
    exact = found.closest("ABC123", NOW)
    assert exact is not None
    assert exact["is_ambiguous"] is False
    other = found.closest("ABC124", NOW)
    assert other is not None
    assert (other["plate"], other["is_ambiguous"]) == ("ABC12?", True)


def test_rows_with_the_same_wildcards_are_rows_of_one_plate(tmp_path: Path) -> None:
    found = good(tmp_path, "plate,note\nAB*,x\nAB**,y\n")
    assert (found.plate_count, found.row_count) == (1, 2)
    assert [row["note"] for row in found.rows_of("AB7", NOW)] == ["x", "y"]
    nearest = found.closest("AB7", NOW)
    assert nearest is not None
    assert nearest["is_ambiguous"] is False


def test_a_row_of_wildcards_alone_is_left_out_with_a_reason(tmp_path: Path) -> None:
    (one, _) = faults(tmp_path, "plate\nAB1\n*\n")
    assert "list.csv:3: this row is left out: the plate is nothing but wildcards" in one


def test_too_many_wildcards_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.watchlist.builder.MAX_WILDCARDS", 2)
    found = read(tmp_path, "plate\nA1*\nA2*\nA1*\nA3*\nB1\n")
    assert found.watchlist is not None
    assert found.watchlist.plate_count == 3
    assert "2 other plates with wildcards stand before it" in found.faults[0].what
    assert found.faults[0].place.line == 5


def _cost(pattern: str, text: str) -> int | None:
    """The least cost of a text for a pattern, by trying all runs; None where none fits."""
    runs = pattern.count("*")
    rest = len(text) - len(pattern) + runs
    best: int | None = None
    if rest < 0 or (rest and not runs):
        return None
    for ends in combinations_with_replacement(range(rest + 1), max(0, runs - 1)):
        bounds = (0, *ends, rest) if runs else (0,)
        lengths = iter([two - one for one, two in pairwise(bounds)])
        whole = "".join("?" * next(lengths) if each == "*" else each for each in pattern)
        cost = sum(
            COSTS.change(one, two) for one, two in zip(whole, text, strict=True) if one != "?"
        )
        best = cost if best is None else min(best, cost)
    return best


def _check(random: Random, texts: str, rows: int, readings: int) -> int:
    """Compares with trying all; gives how many were found."""

    def made(alphabet: str) -> str:
        return "".join(random.choices(alphabet, k=random.randint(1, 8)))

    patterns = {made(texts + "??*") for _ in range(rows)}
    patterns = {re.sub(r"\*+", "*", each) for each in patterns if literals(each)}
    patterns = {each for each in patterns if not re.fullmatch("[A-Z0-9]*", each)}
    numbers = {each: number for number, each in enumerate(sorted(patterns))}
    found = WildcardRows(numbers, COSTS, lambda _: 0.9)
    hits = 0
    for _ in range(readings):
        text = random.choice(sorted(patterns)).replace("*", made(texts)[: random.randint(0, 3)])
        text = "".join(random.choice(texts) if each == "?" else each for each in text)
        if random.random() < 0.6:
            place = random.randrange(len(text))
            text = text[:place] + random.choice(texts) + text[place + 1 :]
        costs = {each: _cost(each, text) for each in numbers}
        exact = [number for each, number in numbers.items() if costs[each] == 0]
        assert list(found.on(text)) == exact, text
        assert (text in found) == bool(exact)
        threshold = random.choice((None, 0.84, 0.9, 0.97, 1))
        expected = [
            (likeness_of(cost, len(literals(each))), each, numbers[each])
            for each, cost in costs.items()
            if cost is not None and cost <= budget(threshold or 0.9, len(literals(each)))
        ]
        assert found.near(text, threshold) == expected, text
        hits += len(expected)
    return hits


def test_the_rows_found_are_those_of_trying_all() -> None:
    random = Random(7)
    assert _check(random, "0O8B1IX", 60, 20) > 20
    assert _check(random, CHARACTERS, 60, 10) > 3


@pytest.mark.slow
def test_the_rows_found_are_those_of_trying_all_many() -> None:
    random = Random(8)
    for texts, _ in product(("0O8B1IX", "A1", CHARACTERS), range(10)):
        assert _check(random, texts, 100, 50)
