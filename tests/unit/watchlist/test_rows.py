"""Packed rows come back, and each has its line of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.watchlist.watchlist import BLOCK, RowLines, RowPacker
from tests.unit.watchlist.list_files import good


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_every_row_comes_back(count: int) -> None:
    packer = RowPacker(["note", "who"])
    for number in range(count):
        packer.add((f'note {number} ü\n"', ""))
        if not (number + 1) % BLOCK:
            packer.close_block()
    rows = packer.rows()
    assert rows.columns == ("note", "who")
    assert [rows[number] for number in range(count)] == [
        (f'note {number} ü\n"', "") for number in range(count)
    ]


def test_without_columns_nothing_is_kept() -> None:
    packer = RowPacker([])
    packer.add(())
    assert packer.rows()[0] == ()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_every_row_has_its_line(heights: list[int]) -> None:
    lines, gap, line = RowLines(), -1, 2
    wanted = []
    for row, height in enumerate(heights):
        if line - row != gap:
            gap = line - row
            lines.add(row, line)
        wanted.append(line)
        line += height
    assert [lines.line_of(row) for row in range(len(heights))] == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plate,note\nA1,\nB1,\nC1,\n", [2, 3, 4]),
        ("sep=,\n\nplate,note\nA1,\n\n# x,\nB1,\n", [4, 7]),
        ('plate,note\nA1,"x\ny"\nB1,\n', [2, 4]),
        ("plate,note\n-,\nA1,\n-,\nB1,\n", [3, 5]),
        ("plate,valid_until\nA1,soon\nB1,\n", [3]),
    ],
)
def test_the_lines_are_those_of_the_file(text: str, wanted: list[int], tmp_path: Path) -> None:
    found = good(tmp_path, text)
    rows = range(found.row_count)
    assert [found.lines.line_of(row) for row in rows] == wanted
