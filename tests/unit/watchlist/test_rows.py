"""What rows say, packed by the block."""

from __future__ import annotations

import pytest

from engine.watchlist.rows import BLOCK, RowPacker


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
