"""Watchlists as Python: one probe."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.cel.lower.lowered import body_of, quickly
from tests.unit.cel.plate_lists import compiled, watchlist
from tests.unit.cel.plate_variables import NOON, event

PLATE = "plate.normalized_text"


def test_membership_is_one_probe_of_the_lists_own_dictionary() -> None:
    expression = compiled(f'{PLATE} in watchlist("noted")')
    assert body_of(expression).count(" in k") == 1
    assert quickly(expression, event()) is True


def test_a_list_with_periods_asks_for_them_behind_the_probe() -> None:
    expression = compiled(f'{PLATE} in watchlist("dated")')
    probe, periods = body_of(expression).split(" and ")
    assert " in k" in probe
    assert " in k" not in periods
    assert quickly(expression, event()) is True
    assert quickly(expression, event(time=NOON + timedelta(days=1))) is False


@pytest.mark.parametrize(
    ("plate", "is_on"), [("AB99", True), ("ab-12", True), ("ABC123", True), ("XABC123", False)]
)
def test_rows_with_wildcards_are_asked_too(plate: str, is_on: bool) -> None:
    expression = compiled(f'{PLATE} in watchlist("wild")')
    bindings = event(plate={"normalized_text": plate})
    assert quickly(expression, bindings) is is_on
    assert expression.evaluate(bindings) is is_on
    rows = compiled(f'watchlist("wild").rows({PLATE}).exists(r, r.state == "FL")')
    assert quickly(rows, bindings) is is_on
    assert rows.evaluate(bindings) is is_on


def test_what_is_computed_behind_the_probe_is_not_taken_for_granted() -> None:
    text = f'({PLATE} in watchlist("dated") || is_test) && time.getHours() == 12'
    for changes in ({}, {"is_test": True, "plate": {**event()["plate"], "normalized_text": "X"}}):
        assert quickly(compiled(text), event(**changes)) is True


def test_a_row_is_read_once_for_all_its_columns() -> None:
    row = f'watchlist("noted")[{PLATE}]'
    text = f'{PLATE} in watchlist("noted") && {row}.note != null && {row}.note.contains("red")'
    body = body_of(compiled(text))
    assert body.count("(v1, b[") == 1
    assert quickly(compiled(text), event()) is True


def test_the_list_is_not_copied() -> None:
    expression = compiled(f'{PLATE} in watchlist("noted")')
    assert expression.fragment is not None
    assert expression.fragment.parts[1].value is watchlist("noted").plates


def test_a_plate_is_normalised_once_for_all_lists_that_are_asked() -> None:
    expression = compiled(f'!({PLATE} in watchlist("noted")) && !({PLATE} in watchlist("plain"))')
    assert body_of(expression).count("lstrip") == 1
    assert quickly(expression, event(plate={"normalized_text": "xyz-9"})) is True
    assert quickly(expression, event(plate={"normalized_text": "abc-123"})) is False


def test_all_rows_are_read_once_for_all_that_is_asked_of_them() -> None:
    rows = f'watchlist("states").rows({PLATE})'
    expression = compiled(f'size({rows}) > 1 && {rows}.exists(r, r.state == "FL")')
    assert body_of(expression).count("(b[") == 1
    assert quickly(expression, event()) is True
    assert quickly(expression, event(plate={"normalized_text": "12"})) is False


@pytest.mark.parametrize(
    "text",
    [
        'watchlist("{}").rows({}).exists(r, r.state == "FL")',
        'watchlist("{}").rows({}).all(r, r.state != null)',
        'watchlist("{}").rows({}).exists_one(r, r.state == "GA")',
        'watchlist("{}").rows({}).filter(r, r.state == "GA").size() == 1',
        'watchlist("{}").rows({}).map(r, r.state) == ["FL"]',
        'size(watchlist("{}").rows({})) > 1',
    ],
)
def test_rows_need_no_interpreter(text: str) -> None:
    for name in ("states", "terms"):
        assert type(quickly(compiled(text.format(name, PLATE)), event())) is bool


@pytest.mark.parametrize(
    "text",
    [
        f'["a", "b"].exists(x, {PLATE} in watchlist("noted"))',
        'plate.region in watchlist("noted")',
    ],
)
def test_in_a_loop_and_where_it_may_be_null_a_plate_is_a_call(text: str) -> None:
    assert "lstrip" not in body_of(compiled(text))
    quickly(compiled(text), event())


def test_an_event_that_is_not_as_its_schema_says_is_on_no_list() -> None:
    for plate in (
        {"normalized_text": None},
        {"normalized_text": 12},
        {"normalized_text": b"ABC123"},
    ):
        assert compiled(f'{PLATE} in watchlist("noted")').run(event(plate=plate)) is False
