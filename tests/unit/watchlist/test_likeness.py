from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from engine.watchlist import costs as costs_module
from engine.watchlist.costs import PlateCosts, read_costs, standard_costs
from engine.watchlist.likeness import (
    MAX_COMPARED,
    Edit,
    budget,
    comparable,
    cost_of,
    edits_of,
    likeness,
    likeness_of,
    percent,
)
from tests.support.likeness_oracle import LikenessOracle
from tests.support.plate_costs import costs_file

STANDARD = Path(costs_module.__file__).with_name("plate_costs.txt")
DIGITS, LETTERS = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: Characters that are often confused come more often; two are of other scripts.
ALPHABET = DIGITS + LETTERS + 3 * "0ODQ1IL8B35SVWM" + "ÖЖ"
#: Every cost here is another, and none is that of the package.
ODD = """\
7 0O VW
33 1I 8B
51 VV=W 13=B
52 double
70 inside
91 end
58 mixed
83 other
"""

#: The pairs of the design's table.
NAMED = {
    10: "0O 1I",
    20: "0D 0Q 8B 5S 2Z 6G 1L",
    25: "OQ OD IL",
    30: "DQ",
    40: "4A 7T 7Y 3B",
    50: "MN NH MH UV VY TY EF FP HK KR PR CG KX IT IJ 1T 1J 7Z 6B 8S 0C 0G 0U OU OC OG QG DB EB RB "
    "AR XY LT 9G 9P",
    60: "VW MW",
    80: "38 17 68 56 08 06 27 89 39 35 09 69 58 14 49 79 36",
}


@pytest.fixture
def standard() -> PlateCosts:
    return standard_costs()


def some_text(draw: random.Random) -> str:
    return "".join(draw.choices(ALPHABET, k=draw.randint(1, 9)))


def misread(text: str, draw: random.Random) -> str:
    """The text with some edits, as a camera or a stranger might make them."""
    for _ in range(draw.randint(0, 3)):
        place = draw.randrange(len(text) + 1)
        taken, put = draw.choice([(1, 1), (1, 1), (1, 0), (0, 1), (2, 1), (1, 2)])
        new = (
            draw.choice(("VV", "13", "I3")) if put == 2 else "".join(draw.choices(ALPHABET, k=put))
        )
        if put == 1 and not taken and place:
            new = draw.choice((new, text[place - 1]))
        text = text[:place] + new + text[place + taken :]
    return text


def pairs(seed: int, count: int) -> Iterator[tuple[str, str]]:
    draw = random.Random(seed)
    for _ in range(count):
        one = some_text(draw)
        yield one, misread(one, draw) if draw.random() < 0.8 else some_text(draw)


def check_pair(one: str, two: str, costs: PlateCosts, oracle: LikenessOracle) -> None:
    wanted = oracle.cost(one, two)
    assert cost_of(one, two, costs) == cost_of(two, one, costs) == wanted
    for limit in (0, 55, 99, 160, 400):
        found = cost_of(one, two, costs, limit)
        assert found == wanted if wanted <= limit else found > limit
    assert likeness(one, two, costs) == likeness(two, one, costs) == oracle.likeness(one, two)
    assert (likeness(one, two, costs) == 1) is (one == two != "")
    for places in (9_500, 9_000, 8_600, 8_333, 6_667):
        is_within = wanted <= budget(places / 10_000, max(len(one), len(two)))
        assert is_within is oracle.reaches(one, two, places)
    edits = edits_of(one, two, costs)
    assert sum(edit.cost for edit in edits) == wanted
    assert rebuilt(one, edits) == two


def rebuilt(plate: str, edits: tuple[Edit, ...]) -> str:
    """The reading that the edits make of the plate."""
    made, at = "", 0
    for edit in edits:
        place = edit.place - 1
        assert place >= at
        assert plate[place : place + len(edit.plate)] == edit.plate
        made += plate[at:place] + edit.reading
        at = place + len(edit.plate)
    return made + plate[at:]


@pytest.mark.parametrize("table", [STANDARD.read_text(), ODD], ids=["standard", "odd"])
def test_costs_and_likeness_are_those_of_the_plain_reading(table: str, tmp_path: Path) -> None:
    costs, oracle = read_costs(costs_file(tmp_path, table)), LikenessOracle(table)
    for one, two in pairs(15, 60):
        check_pair(one, two, costs, oracle)


@pytest.mark.slow
@pytest.mark.parametrize("table", [STANDARD.read_text(), ODD], ids=["standard", "odd"])
def test_many_more_costs_are_those_of_the_plain_reading(table: str, tmp_path: Path) -> None:
    costs, oracle = read_costs(costs_file(tmp_path, table)), LikenessOracle(table)
    for one, two in pairs(16, 5_000):
        check_pair(one, two, costs, oracle)


def test_each_two_characters_cost_what_the_table_says(standard: PlateCosts) -> None:
    named = {frozenset(pair): cost for cost, row in NAMED.items() for pair in row.split()}
    assert len(named) == sum(len(row.split()) for row in NAMED.values())
    for one, two in combinations(DIGITS + LETTERS, 2):
        usual = 60 if (one in DIGITS) != (two in DIGITS) else 100
        wanted = named.get(frozenset((one, two)), usual)
        assert cost_of(one, two, standard) == cost_of(two, one, standard) == wanted, (one, two)


@pytest.mark.parametrize(
    ("one", "two", "cost"),
    [
        ("ABC123", "BC123", 50),
        ("ABC123", "ABC12", 50),
        ("ABC123", "ABBC123", 50),
        ("ABC113", "ABC13", 50),
        ("ABC123", "AC123", 60),
        ("ABC123", "ABC1X23", 60),
        ("VVX1", "WX1", 50),
        ("X13Y", "XBY", 50),
        ("XI3Y", "XBY", 50),
        # Two that changed places are one dropped and one added.
        ("ABC123", "ABC132", 110),
        ("ABC123", "A1BC23", 120),
        ("ABC123", "XYZ789", 480),
        ("", "", 0),
        ("", "A", 50),
    ],
)
def test_a_character_more_or_less_and_merges(
    one: str, two: str, cost: int, standard: PlateCosts
) -> None:
    assert cost_of(one, two, standard) == cost_of(two, one, standard) == cost


@pytest.mark.parametrize(
    ("plate", "reading", "wanted", "is_accepted"),
    [
        ("ABC123", "A8C123", 0.967, True),
        ("ABC123", "A8CIZ3", 0.917, True),
        ("ABC123", "BC123", 0.917, True),
        ("ABC123", "ABC129", 0.867, False),
        ("ABC123", "ABC124", 0.833, False),
        ("AB1", "A81", 0.933, True),
        ("AB1", "AB2", 0.667, False),
    ],
)
def test_the_figures_of_the_design(
    plate: str, reading: str, wanted: float, is_accepted: bool, standard: PlateCosts
) -> None:
    assert round(likeness(plate, reading, standard), 3) == wanted
    longer = max(len(plate), len(reading))
    assert (cost_of(plate, reading, standard) <= budget(0.9, longer)) is is_accepted


def test_plates_are_compared_as_lists_have_them(standard: PlateCosts) -> None:
    assert likeness("ab-123 c", "AB123C", standard) == 1
    # Cyrillic А and В.
    assert likeness("\u0410\u0412123", "AB123", standard) == 1
    assert likeness("", "ABC123", standard) == likeness("--", "--", standard) == 0


def test_characters_of_other_scripts_are_each_another(standard: PlateCosts) -> None:
    assert likeness("京A12345", "京A12345", standard) == 1
    assert cost_of(comparable("京A12345"), comparable("沪A12345"), standard) == 100
    assert cost_of("Ж", "1", standard) == cost_of("Ж", "X", standard) == 100
    # An accent is no character of its own, however it is written.
    assert comparable("o\u0308b 1") == comparable("\u00f6B1") == "ÖB1"


def test_long_texts_are_like_the_same_text_only(standard: PlateCosts) -> None:
    longest = "A" * MAX_COMPARED
    assert likeness(longest, "4" + longest[1:], standard) == 560 / 600
    assert likeness(longest + "A", longest + "A", standard) == 1
    assert likeness(longest + "A", longest + "4", standard) == 0
    assert likeness(longest, longest + "A", standard) == 0
    assert likeness(1_000 * "A", 1_000 * "A", standard) == 0


def test_budgets_are_whole_numbers() -> None:
    assert [budget(0.9, length) for length in (1, 3, 6, 7, 16)] == [10, 30, 60, 60, 60]
    assert [budget(each, 6) for each in (1.0, 0.95, 0.84, 0.8333, 0.0001)] == [0, 30, 96, 100, 599]
    # 1 - 0.9 is less than 0.1 in floating point: 60 of 600 must be within.
    assert likeness_of(60, 6) == 0.9
    assert likeness_of(700, 6) == 0


def test_only_the_same_text_is_wholly_alike_for_people() -> None:
    shown = [percent(each) for each in (1.0, 599 / 600, 580 / 600, 0.9, 0.0)]
    assert shown == ["100 %", "99 %", "97 %", "90 %", "0 %"]


def test_edits_say_what_became_of_the_plate(standard: PlateCosts) -> None:
    assert edits_of("ABC123", "ABC123", standard) == ()
    assert edits_of("ABC123", "A8C1Z3", standard) == (Edit(2, "B", "8", 20), Edit(5, "2", "Z", 20))
    assert edits_of("AWB", "AVVB", standard) == (Edit(2, "W", "VV", 50),)
    assert edits_of("ABC", "AB", standard) == (Edit(3, "C", "", 50),)
    assert edits_of("AB", "ABC", standard) == (Edit(3, "", "C", 50),)
