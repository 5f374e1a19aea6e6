"""What is reported of a list that is asked by likeness: false matches, pairs, loose plates."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from engine.watchlist import Watchlist
from engine.watchlist import likeness_report as module
from engine.watchlist.likeness_report import (
    LikenessReport,
    Share,
    likeness_faults,
    likeness_report,
    lines_of,
    made_up_readings,
)
from tests.unit.watchlist.list_files import NOW, good

#: For the tests' speed.
READINGS = 300


@pytest.fixture(autouse=True)
def _few_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READINGS", READINGS)


def report(
    watchlist: Watchlist, asked: Collection[float | None] = frozenset({None})
) -> LikenessReport:
    return likeness_report(watchlist, asked, NOW)


def faults(watchlist: Watchlist, found: LikenessReport) -> dict[str, str]:
    """What is wrong and what to do, by the code."""
    told = list(likeness_faults(watchlist, found))
    assert {fault.place for fault in told} <= {watchlist.definition.place}
    return {fault.code: f"{fault.what}, {fault.remedy}" for fault in told}


def test_a_good_list_has_nothing_to_report(tmp_path: Path) -> None:
    watchlist = good(tmp_path, "plate,note\nABC123,red\nXYZ789,blue\n")
    found = report(watchlist)
    assert (found.threshold, found.pair_count, found.pairs, found.better) == (0.9, 0, (), None)
    assert found.false_matches == Share(0, READINGS)
    assert faults(watchlist, found) == {}


@pytest.mark.parametrize("name", ["list.csv", "list.txt"])
def test_pairs_are_told_by_their_lines_and_edits_and_never_by_a_plate(
    name: str, tmp_path: Path
) -> None:
    header = "plate,note\n" if name.endswith("csv") else "\n"
    rows = ["ABC-123", "XYZ789", "abc 123", "KL8Q1", "A8C123", "KLBQ1"]
    ending = ",x\n" if name.endswith("csv") else "  # x\n"
    watchlist = good(tmp_path, header + ending.join([*rows, ""]), name=name)
    found = report(watchlist)
    assert (found.pair_count, found.is_estimated) == (2, False)
    assert list(map(str, found.pairs)) == [
        "lines 2 and 6, 97 %: 8↔B 20, at 2",
        "lines 5 and 7, 96 %: B↔8 20, at 3",
    ]


def test_pairs_are_those_of_the_lowest_threshold_of_each_row(tmp_path: Path) -> None:
    text = "plate,t\nABC123,0.99\nA8C123,0.95\nXYZ789,0.99\nXY2789,0.98\n"
    watchlist = good(tmp_path, text, threshold_column="t")
    assert [pair.lines for pair in report(watchlist).pairs] == [(2, 3)]
    both = report(watchlist, {None, 0.9})
    assert [pair.lines for pair in both.pairs] == [(2, 3), (4, 5)]
    assert (report(watchlist).threshold, both.threshold) == (0.95, 0.9)


def test_false_matches_are_reported_with_the_threshold_to_use_instead(tmp_path: Path) -> None:
    # Half of all plates of two letters and a digit.
    letters = "ABCDEFGHIJKLM"
    plates = [f"{one}{two}{digit}" for one in letters for two in letters for digit in range(10)]
    watchlist = good(tmp_path, "plate\n" + "\n".join(plates))
    found = report(watchlist)
    assert found.false_matches.value > 0.05
    assert found.better == 0.92
    told = faults(watchlist, found)
    assert told.keys() == {"likeness-false-matches", "likeness-short"}
    assert (
        "of the readings of other cars match with the threshold 0.9, ask with 0.92"
        in (told["likeness-false-matches"])
    )
    again = report(watchlist, {0.92})
    assert again.false_matches.value <= module.MOST_FALSE
    assert "likeness-false-matches" not in faults(watchlist, again)


@pytest.mark.parametrize(
    ("rows", "asked", "code", "what"),
    [
        ("ABC123\nXYZ789", 0.86, "likeness-threshold", "plates of one sequence match each other"),
        ("ABC123\nAB1", 0.95, "likeness-short", "1 plate has 3 characters or fewer"),
        ("AB?1*\nAB?12*", 0.95, "likeness-literals", "1 plate has wildcards and fewer than 4"),
    ],
)
def test_what_makes_a_list_loose_is_reported(
    rows: str, asked: float, code: str, what: str, tmp_path: Path
) -> None:
    watchlist = good(tmp_path, rows, name="list.txt")
    told = faults(watchlist, report(watchlist, {asked}))
    assert "the watchlist stolen: " in told[code]
    assert what in told[code]


def test_a_higher_threshold_and_whole_plates_are_not(tmp_path: Path) -> None:
    watchlist = good(tmp_path, "ABC123\nAB?12*\n", name="list.txt")
    found = report(watchlist, {0.87})
    assert (found.short, found.wildcards, found.loose_wildcards) == (0, 1, 0)
    assert "likeness-threshold" not in faults(watchlist, found)


def test_too_many_wildcards_and_crowds_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WILDCARDS", 2)
    monkeypatch.setattr(module, "CROWD", 6)
    rows = [*(f"ABC12?{digit}" for digit in range(3)), *(f"XYZ7{each}" for each in "0ODQ")]
    watchlist = good(tmp_path, "\n".join(rows), name="list.txt")
    assert "likeness-crowd" not in faults(watchlist, report(watchlist, {0.97}))
    assert "3 plates have wildcards" in faults(watchlist, report(watchlist))["likeness-wildcards"]
    rows += [f"XYZ7{each}8" for each in "0ODQ"]
    watchlist = good(tmp_path, "\n".join(rows), name="list.txt")
    assert "compared with 8 of its plates" in faults(watchlist, report(watchlist))["likeness-crowd"]


def test_readings_have_the_forms_of_the_list_and_none_is_on_it(tmp_path: Path) -> None:
    rows = ["ABC123"] * 3 + ["K1", "AB-1??*"]
    watchlist = good(tmp_path, "plate,note\n" + "\n".join(f"{row},x" for row in rows))
    readings = made_up_readings(watchlist, 200)
    forms = {"".join("A" if each.isalpha() else "0" for each in reading) for reading in readings}
    assert {"AAA000", "A0"} <= forms
    assert {form[:3] for form in forms} == {"AAA", "A0", "AA0"}
    assert not any(watchlist.may_be_on(reading) for reading in readings)
    assert readings == made_up_readings(watchlist, 200)


def test_an_empty_list_has_no_readings_and_no_pairs(tmp_path: Path) -> None:
    found = report(good(tmp_path, "plate\n"))
    assert (found.pair_count, found.false_matches.total, found.crowd) == (0, 0, 0)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Share(0, 20_000), "less than 0.02 %"),
        (Share(6, 20_000), "about 0.03 % (0.014 to 0.065 %)"),
        (Share(1_000, 20_000), "about 5 % (4.7 to 5.3 %)"),
        (Share(19_999, 20_000), "about 100 % (100 to 100 %)"),
        (Share(0, 1), "less than 80 %"),
        (Share(0, 0), "an unknown share"),
    ],
)
def test_a_share_tells_how_uncertain_it_is(share: Share, text: str) -> None:
    assert str(share) == text


def test_lines_are_found_in_files_of_every_kind(tmp_path: Path) -> None:
    text = "# of today\n\nABC-123 (red)\nxyz 789\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        watchlist = good(tmp_path, text.encode(encoding), name="list.txt")
        assert lines_of(watchlist, ["ABC123", "XYZ789"]) == {"ABC123": 3, "XYZ789": 4}
    watchlist.path.unlink()
    assert lines_of(watchlist, ["ABC123"]) == {}
