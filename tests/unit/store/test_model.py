"""What the rows of the store mean."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from engine.store import AlertFilter, KeptDeadLetter


def test_a_kept_dead_letter_is_the_same_whatever_number_the_store_gave_it() -> None:
    letter = KeptDeadLetter("t", 0, 1, 2, None, b"v", (), "UNKNOWN", "m")
    assert replace(letter, letter_id=7) == letter


def test_rows_can_not_be_changed() -> None:
    only = AlertFilter()
    with pytest.raises(FrozenInstanceError):
        only.rule_id = "r"  # type: ignore[misc]
