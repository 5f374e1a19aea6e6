"""Watchlists as Python: one probe."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.cel.lowering.lowered import body_of, quickly
from tests.unit.cel.plate_lists import compiled, watchlist
from tests.unit.cel.plate_variables import NOON, event

PLATE = "plate.normalized_text"


def test_membership_is_one_probe_of_the_lists_own_dictionary() -> None:
    expression = compiled(f'{PLATE} in watchlist("noted")')
    assert body_of(expression) == "(b[k0][k1] in k2)"
    assert quickly(expression, event()) is True


def test_a_list_with_periods_asks_for_them_behind_the_probe() -> None:
    expression = compiled(f'{PLATE} in watchlist("dated")')
    assert body_of(expression) == "(((v0 := b[k0][k1]) in k2) and k3(v0, b[k4]))"
    assert quickly(expression, event()) is True
    assert quickly(expression, event(time=NOON + timedelta(days=1))) is False


def test_what_is_computed_behind_the_probe_is_not_taken_for_granted() -> None:
    text = f'({PLATE} in watchlist("dated") || is_test) && time.getHours() == 12'
    for changes in ({}, {"is_test": True, "plate": {**event()["plate"], "normalized_text": "X"}}):
        assert quickly(compiled(text), event(**changes)) is True


def test_a_row_is_read_once_for_all_its_columns() -> None:
    row = f'watchlist("noted")[{PLATE}]'
    text = f'{PLATE} in watchlist("noted") && {row}.note != null && {row}.note.contains("red")'
    body = body_of(compiled(text))
    assert body == (
        "(((v0 := b[k0][k1]) in k2) and ((v2 := k3(v0, b[k4])[k5]) is not None) and (k6 in v2))"
    )
    assert quickly(compiled(text), event()) is True


def test_the_list_is_not_copied() -> None:
    expression = compiled(f'{PLATE} in watchlist("noted")')
    assert expression.code is not None
    assert expression.code.parts[1].value is watchlist("noted").plates
