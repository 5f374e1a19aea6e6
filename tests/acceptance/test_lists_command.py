"""`alert-engine lists show`, and what `alert-engine check` says of lists asked by likeness."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.watchlist import likeness_report
from tests.support.command import Finished, alert_engine

RULES = """\
watchlists:
  stolen: stolen.csv
  guests: guests.txt
rules:
  - id: stolen
    when: similar(plate.normalized_text, watchlist("stolen"))
    notify: []
    rate_limit: {dedup_key: 'closest(watchlist("stolen"), plate.normalized_text, 0.95).plate'}
    message_template: '{closest(watchlist("stolen"), plate.normalized_text, 0.97).note}'
  - id: off
    enabled: false
    when: similar(plate.normalized_text, watchlist("stolen"), 0.84)
    notify: []
  - {id: guest, when: 'plate.normalized_text in watchlist("guests")', notify: []}
"""
LIST = """\
plate,valid_from,valid_until,note
ABC-123,,,red Golf
XYZ789,2026-01-01,2026-12-31,blue van
KLNQ1,,,one
KLHQ1,,,two
,,,nobody
AB?12*,,,partial
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with rules that ask one list by likeness, and another for the same plates."""
    (tmp_path / "r.yaml").write_text(RULES)
    (tmp_path / "stolen.csv").write_text(LIST)
    (tmp_path / "guests.txt").write_text("G1234\n")
    return tmp_path


def show(folder: Path, *arguments: str) -> Finished:
    return alert_engine(folder, "lists", "show", *arguments, "--rules", "r.yaml")


def shown_json(folder: Path, *arguments: str) -> Any:
    return json.loads(show(folder, *arguments, "--format", "json").stdout)


def test_a_list_is_shown_with_what_is_left_out_and_who_asks(folder: Path) -> None:
    os.utime(folder / "stolen.csv", (1_700_000_000, 1_700_000_000))
    done = show(folder, "stolen", "--at", "2026-05-05")
    lines = done.stdout.splitlines()
    assert done.status == 0
    assert lines[0].startswith("stolen: stolen.csv, changed 2023-11-14T22:13:20+00:00, ")
    assert lines[0].endswith(" d ago")
    assert lines[1:] == [
        "rows       5 of 5 plates, 5 plates in force",
        "left out   1",
        "           line 6: the plate is empty",
        "threshold  0.9",
        "likeness   asked by stolen, stolen from 0.97, stolen from 0.95",
    ]
    told = shown_json(folder, "stolen", "--at", "2025-05-05T12:00:00Z")
    assert told["in_force"] == 4
    assert told["left_out"] == [{"line": 6, "reason": "the plate is empty"}]
    assert told["asked_by_likeness"] == [
        {"rule_id": "stolen", "threshold": None},
        {"rule_id": "stolen", "threshold": 0.97},
        {"rule_id": "stolen", "threshold": 0.95},
    ]
    assert show(folder, "guests").stdout.endswith("likeness   no rule asks for it\n")


@pytest.mark.parametrize(
    ("arguments", "status", "lines"),
    [
        (["stolen", "abc 123"], 0, ["abc 123 is on stolen, line 2", "    note: red Golf"]),
        (
            ["stolen", "A8C123"],
            0,
            [
                "A8C123 is nearly on stolen, as ABC123, line 2: 96.7 %, 8↔B 20, at 2",
                "    note: red Golf",
                "less likely as AB?12*, line 7: 95 %, 8↔B 20, at 2",
                "    note: partial",
            ],
        ),
        (
            ["stolen", "KLMQ1"],
            0,
            [
                "KLMQ1 is nearly on stolen, as KLNQ1, line 4: 90 %, M↔N 50, at 3",
                "    note: one",
                "or as KLHQ1, line 5: 90 %, M↔H 50, at 3",
                "    note: two",
            ],
        ),
        (["stolen", "ABX12"], 0, ["ABX12 is on stolen, as AB?12*, line 7", "    note: partial"]),
        (
            ["stolen", "ABXI29", "--threshold", "0.99"],
            1,
            ["ABXI29 is not on stolen", "too far from AB?12*, line 7: 97.5 %, I↔1 10, at 4"],
        ),
        (
            ["stolen", "XYZ789", "--at", "2027-01-01"],
            1,
            ["XYZ789 is not on stolen: its rows are not in force then"],
        ),
        (["guests", "GI234"], 1, ["GI234 is not on guests", "too far from G1234, line 1: "]),
        (["guests", "G1234"], 0, ["G1234 is on guests, line 1"]),
    ],
)
def test_a_plate_is_on_a_list_or_nearly_or_not(
    arguments: list[str], status: int, lines: list[str], folder: Path
) -> None:
    done = show(folder, *arguments)
    told = done.stdout.splitlines()
    assert (done.status, len(told)) == (status, len(lines)), done.output
    assert all(line.startswith(begin) for line, begin in zip(told, lines, strict=True)), told


def test_the_answer_on_a_plate_is_data_too(folder: Path) -> None:
    told = shown_json(folder, "stolen", "XY2789", "--at", "2026-05-05T12:00:00Z")
    assert (told["is_on"], told["is_exact"], told["is_ambiguous"]) == (True, False, False)
    assert told["matches"] == [
        {
            "counts": True,
            "plate": "XYZ789",
            "likeness": pytest.approx(1 - 20 / 600),
            "line": 3,
            "edits": [{"place": 3, "plate": "Z", "reading": "2", "cost": 20}],
            "rows": [
                {
                    "note": "blue van",
                    "valid_from": "2026-01-01T00:00:00+00:00",
                    "valid_until": "2026-12-31T23:59:59.999999+00:00",
                }
            ],
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["stolne"], "there is no watchlist 'stolne', did you mean `stolen`?"),
        (["stolen", "!!"], "the plate '!!' holds no letter A to Z and no digit"),
        (["stolen", "A", "--at", "noon"], "--at: 'noon' is no time"),
        (["stolen", "A", "--threshold", "0.5"], "'0.5' is no threshold of a list, write a number"),
    ],
)
def test_what_can_not_be_shown_is_told_with_a_remedy(
    arguments: list[str], what: str, folder: Path
) -> None:
    done = show(folder, *arguments)
    assert done.status == 2
    assert what in done.stderr


def test_check_reports_what_likeness_makes_of_a_list(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness_report, "READINGS", 500)
    text = alert_engine(folder, "check", "r.yaml")
    assert text.status == 0
    told = text.stdout.splitlines()
    at = told.index("watchlist stolen: 5 rows, 5 plates, 5 in force now, 1 rows left out")
    assert told[at + 1 : at + 5] == [
        "    by likeness from 0.9: less than 0.8 % of the readings of other cars match",
        "    1 pair of its own plates matches:",
        "        lines 4 and 5, 90 %: H↔N 50, at 3",
        "watchlist guests: 1 rows, 1 plates, 1 in force now, 0 rows left out",
    ]
    assert (
        "warning: the watchlist stolen: 1 plate has wildcards and fewer than 5" not in text.stdout
    )
    stolen, guests = json.loads(alert_engine(folder, "check", "r.yaml", "--format", "json").stdout)[
        "watchlists"
    ]
    assert "likeness" not in guests
    assert stolen["likeness"]["first_pairs"] == [
        {"lines": [4, 5], "likeness": 0.9, "edits": "H↔N 50, at 3"}
    ]
    assert (stolen["likeness"]["readings"], stolen["likeness"]["false_matches"]) == (500, 0)


def test_check_warns_of_a_list_that_is_asked_too_loosely(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness_report, "READINGS", 100)
    (folder / "r.yaml").write_text(
        RULES.replace('watchlist("stolen"))\n', 'watchlist("stolen"), 0.85)\n')
    )
    done = alert_engine(folder, "check", "r.yaml", "--format", "github")
    warned = [line for line in done.stdout.splitlines() if "likeness-threshold" in line]
    assert len(warned) == 1
    assert warned[0].startswith("::warning file=r.yaml,line=2,col=11,title=likeness-threshold::")
