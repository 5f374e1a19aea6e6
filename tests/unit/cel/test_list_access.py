"""What a list answers, at the event's time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.cel.expression import compile_tree
from engine.cel.grammar import parse
from engine.cel.list_access import list_type, row_type
from engine.cel.lists import bind
from engine.cel.lowering.exact import Exact
from engine.cel.scope import Scope
from engine.errors import EvaluationError
from engine.schema import Kind
from tests.unit.cel.plate_lists import compiled, failure_of, lists, value_of, watchlist
from tests.unit.cel.plate_variables import NOON, VARIABLES, event

PLATE = "plate.normalized_text"
ON = f'{PLATE} in watchlist("{{}}")'
NOTE = f'watchlist("{{}}")[{PLATE}].note'


def plate(text: str) -> dict[str, Any]:
    return {"plate": {**event()["plate"], "normalized_text": text}}


def both(text: str, **changes: Any) -> tuple[Any, Any]:
    """What the generated function and the closures give: a value, or the kind of failure."""
    root, _ = bind(parse(text), lists())
    bindings = event(**changes)
    results = []
    for run in (compile_tree(root, text, Scope(VARIABLES)).run, Exact(root, Scope(VARIABLES))):
        try:
            results.append(run(bindings))
        except EvaluationError as error:
            results.append(error.error_type)
    return results[0], results[1]


@pytest.mark.parametrize(
    ("name", "text", "is_on"),
    [("noted", "ABC123", True), ("noted", "AB123", False), ("plain", "AB12", True),
     ("dated", "ABC123", True), ("dated", "AB12", False), ("dated", "12", True),
     ("dated", "XAB", True), ("dated", "", False)],
)  # fmt: skip
def test_a_plate_is_on_a_list_or_not(name: str, text: str, is_on: bool) -> None:
    assert both(ON.format(name), **plate(text)) == (is_on, is_on)
    assert both(f"!({ON.format(name)})", **plate(text)) == (not is_on, not is_on)


def test_membership_is_judged_at_the_events_time() -> None:
    before, after = NOON - timedelta(microseconds=1), NOON + timedelta(minutes=1)
    assert value_of(ON.format("dated"))
    assert not value_of(ON.format("dated"), time=before)
    assert not value_of(ON.format("dated"), time=after)
    assert value_of(NOTE.format("dated"), **plate("12")) == "today"
    assert value_of(NOTE.format("dated"), time=NOON - timedelta(days=9), **plate("12")) == "over"


@pytest.mark.parametrize("key", ["null", "1", "true", "[1]", "{}", "1.5", "b'ABC123'", "time"])
def test_what_is_no_text_is_on_no_list(key: str) -> None:
    for name in ("noted", "dated"):
        assert both(f'dyn({key}) in watchlist("{name}")') == (False, False)
        failed = both(f'watchlist("{name}")[dyn({key})].note')
        assert failed == ("no_such_key", "no_such_key")


def test_a_null_field_is_on_no_list() -> None:
    assert both('plate.region in watchlist("dated")') == (False, False)
    assert both('plate.region in watchlist("noted")') == (False, False)


def test_a_plate_that_is_not_on_the_list_has_no_row() -> None:
    assert failure_of(NOTE.format("noted"), **plate("NONE1")) == "no_such_key"
    assert failure_of(NOTE.format("dated"), time=NOON + timedelta(days=1)) == "no_such_key"
    assert both(f"has({NOTE.format('noted')})", **plate("NONE1")) == ("no_such_key",) * 2


def test_a_failing_row_decides_nothing_that_another_decides() -> None:
    row = f'{NOTE.format("noted")} == "x"'
    changes = plate("NONE1")
    assert both(f"{row} && false", **changes) == (False, False)
    assert both(f"{row} || true", **changes) == (True, True)
    assert both(f"{ON.format('noted')} && {row}", **changes) == (False, False)


def test_an_empty_cell_is_null() -> None:
    assert both(NOTE.format("noted"), **plate("AB12")) == (None, None)
    assert both(f"has({NOTE.format('noted')})", **plate("AB12")) == (False, False)
    assert both(f"has({NOTE.format('noted')})") == (True, True)


def test_columns_and_periods_are_read() -> None:
    assert value_of(f'watchlist("noted")[{PLATE}].owner') == "Anna"
    assert value_of(f'watchlist("dated")[{PLATE}].valid_from') == NOON
    assert value_of(f'watchlist("dated")[{PLATE}].valid_until - time') == timedelta(minutes=1)
    assert value_of(f'watchlist("plain")[{PLATE}].valid_until') is None


def test_a_macros_variable_may_be_the_key_and_may_be_called_time() -> None:
    text = '["X", "12"].exists(time, time in watchlist("dated"))'
    assert both(text) == (True, True)
    assert value_of('["X", "12"].filter(p, p in watchlist("dated"))') == ["12"]
    assert value_of('["12"].map(p, watchlist("dated")[p].note)') == ["today"]


def test_a_constant_plate_is_judged_at_each_events_time() -> None:
    text = '"ABC123" in watchlist("dated")'
    assert both(text) == (True, True)
    assert both(text, time=NOON + timedelta(days=1)) == (False, False)


def test_without_a_time_only_lists_with_periods_fail() -> None:
    bindings = event()
    del bindings["time"]
    assert compiled(ON.format("noted")).evaluate(bindings) is True
    with pytest.raises(EvaluationError, match="has no 'time'"):
        compiled(ON.format("dated")).evaluate(bindings)


def test_a_list_is_a_map_of_rows_whose_columns_may_be_null() -> None:
    kind = list_type(watchlist("noted"))
    assert kind.kind is Kind.MAP
    assert kind.element == row_type(watchlist("noted"))
    fields = row_type(watchlist("noted")).fields
    assert set(fields) == {"note", "owner", "valid_from", "valid_until"}
    assert all(field.nullable for field in fields.values())
    assert fields["valid_from"].kind is Kind.TIMESTAMP
