"""The index of plates by what cameras confuse: the same answers as to compare with every plate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from engine.watchlist import likeness_index
from engine.watchlist.costs import PlateCosts, read_costs, standard_costs
from engine.watchlist.likeness import MAX_COMPARED, budget, cost_of, likeness_of
from engine.watchlist.likeness_index import Candidate, LikenessIndex
from engine.watchlist.plates import CHARACTERS

COSTS = standard_costs()
#: Alphabets whose texts meet in few or in many keys, with merges, and of other scripts.
ALPHABETS = (CHARACTERS, "0ODQ1IL", "VW13BI8M", "AB01МЖ車")
LENGTHS = ((1, 2, 3), (5, 6, 7), (6,), (7, 8), (15, 16, 17, 18))
THRESHOLDS = (0.84, 0.85, 0.8999, 0.9, 0.95, 1.0)
MERGES = (("VV", "W"), ("W", "VV"), ("13", "B"), ("B", "I3"), ("VW", "MW"))


def _misread(random: Random, text: str) -> str:
    """The text after up to three edits of all kinds."""
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3))):
        place = random.randrange(len(text)) if text else 0
        edit = random.random()
        if edit < 0.6 and text:
            near = [pair[1] for pair in COSTS.pairs if pair[0] == text[place]] or [text[place]]
            text = text[:place] + random.choice(near) + text[place + 1 :]
        elif edit < 0.7:
            text = text[:place] + random.choice(CHARACTERS + "МЖ") + text[place + 1 :]
        elif edit < 0.8:
            text = text[:place] + text[place + 1 :]
        elif edit < 0.9:
            text = text[:place] + (text[place : place + 1] or "A") + text[place:]
        else:
            text = text.replace(*random.choice(MERGES), 1)
    return text


def _expected(
    texts: Sequence[str], text: str, thresholds: Sequence[float], costs: PlateCosts
) -> list[Candidate]:
    found: list[Candidate] = []
    for number, (plate, threshold) in enumerate(zip(texts, thresholds, strict=True)):
        longer = max(len(plate), len(text))
        if longer > MAX_COMPARED:
            found += [Candidate(1.0, number, 0)] if plate == text else []
        # A difference of two costs too much; to leave it out saves time.
        elif plate and text and abs(len(plate) - len(text)) < 2:
            cost = cost_of(plate, text, costs)
            if cost <= budget(threshold, longer):
                found.append(Candidate(likeness_of(cost, longer), number, cost))
    return sorted(found, key=lambda each: (-each.likeness, each.number))


def _check(random: Random, size: int, readings: int, costs: PlateCosts = COSTS) -> int:
    """Compares one random list with all its plates; gives how many were near."""
    alphabet, lengths = random.choice(ALPHABETS), random.choice(LENGTHS)

    def made() -> str:
        return "".join(random.choices(alphabet, k=random.choice(lengths)))

    texts = [made() for _ in range(size)]
    texts += [_misread(random, each) for each in texts[: size // 3]]
    usual = random.choice(THRESHOLDS)
    own = [random.choice(THRESHOLDS) for _ in texts] if random.random() < 0.3 else None
    index = LikenessIndex(texts, own or usual, costs)
    count = 0
    for _ in range(readings):
        text = _misread(random, random.choice(texts)) if random.random() < 0.8 else made()
        asked = random.choice((None, *THRESHOLDS))
        thresholds = own or [usual] * len(texts)
        if asked is not None:
            thresholds = [asked] * len(texts)
        expected = _expected(texts, text, thresholds, costs)
        assert index.near(text, asked) == expected, (text, asked, usual)
        count += len(expected)
    return count


def test_it_finds_what_comparing_with_all_plates_finds() -> None:
    random = Random(1)
    assert sum(_check(random, 10, 3) for _ in range(25)) > 20


@pytest.mark.slow
def test_it_finds_what_comparing_with_all_plates_finds_of_many() -> None:
    random = Random(2)
    # 10^5 pairs of a plate and a reading.
    assert sum(_check(random, 100, 8) for _ in range(100)) > 400


@pytest.mark.slow
def test_it_finds_the_same_with_other_costs(tmp_path: Path) -> None:
    table = "1 0O OD DA\n49 AB\n50 end double inside mixed other\n50 MM=W AB=C\n99 0D\n"
    (tmp_path / "costs.txt").write_text(table)
    costs = read_costs(tmp_path / "costs.txt")
    random = Random(3)
    assert sum(_check(random, 50, 5, costs) for _ in range(100)) > 100


@pytest.mark.slow
@pytest.mark.parametrize("alphabet", [CHARACTERS, "0ODQ1ILAB"])
def test_a_long_list_finds_the_same(alphabet: str) -> None:
    random = Random(4)
    texts = ["".join(random.choices(alphabet, k=random.choice((6, 7)))) for _ in range(20_000)]
    texts = list(dict.fromkeys(texts))
    index = LikenessIndex(texts, 0.84, COSTS)
    text = _misread(random, texts[0])
    assert index.near(text) == _expected(texts, text, [0.84] * len(texts), COSTS)


@pytest.mark.slow
def test_a_million_plates_find_each_one() -> None:
    random = Random(5)
    texts = [f"{number:06d}{random.choice('ABCXYZ')}" for number in range(1_000_000)]
    index = LikenessIndex(texts, 1.0, COSTS)
    for number in random.sample(range(len(texts)), 2_000):
        assert index.near(texts[number]) == [Candidate(1.0, number, 0)]


@pytest.mark.parametrize(
    ("plate", "text", "cost"),
    [
        ("ABC123", "A8C123", 20),
        ("ABC123", "BC123", 50),
        ("ABC123", "ABC1Z23", 60),
        ("ABW123", "ABVV123", 50),
        ("AVV123", "AW123", 50),
        ("AB123", "A13123", 50),
        ("A13123", "AB123", 50),
        # A double that was read once, and one character of a class or the next left out.
        ("AB1123", "AB123", 50),
        ("ABO0D2", "AB0D2", 60),
        ("ABO0D2", "ABOD2", 60),
        ("AB0OD2", "AB0D2", 60),
    ],
)
def test_one_edit_outside_classes_is_found(plate: str, text: str, cost: int) -> None:
    index = LikenessIndex([plate], 0.84, COSTS)
    (found,) = index.near(text)
    assert found == Candidate(likeness_of(cost, max(len(plate), len(text))), 0, cost)


def test_keys_of_very_many_plates_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness_index, "_CROWD", 2)
    random = Random(6)
    assert sum(_check(random, 15, 4) for _ in range(20)) > 20


def test_lower_thresholds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"below 0\.84"):
        LikenessIndex(["ABC123"], 0.83, COSTS)
    with pytest.raises(ValueError, match=r"below 0\.84"):
        LikenessIndex(["ABC123"], [0.9, 0.8], COSTS)
    with pytest.raises(ValueError, match=r"below 0\.84"):
        LikenessIndex(["ABC123"], 0.9, COSTS).near("ABC123", 0.5)


def test_an_empty_index_finds_nothing() -> None:
    index = LikenessIndex([], 0.9, COSTS)
    assert index.near("ABC123") == []
    assert LikenessIndex(["", "A"], 0.9, COSTS).near("") == []
