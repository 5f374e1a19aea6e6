"""What a list answers, at the event's time."""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.cel.check.watchlists import Lists, bind
from engine.cel.expression import compile_expression, compile_tree
from engine.cel.syntax.parser import parse
from engine.cel.types.kinds import list_type, row_type
from engine.cel.types.scope import Scope
from engine.errors import EvaluationError
from engine.schema import Kind
from tests.unit.cel.plate_lists import compiled, failure_of, lists, value_of, watchlist
from tests.unit.cel.plate_variables import NOON, VARIABLES, event
from tests.unit.watchlist.list_files import good

PLATE = "plate.normalized_text"
ON = f'{PLATE} in watchlist("{{}}")'
NOTE = f'watchlist("{{}}")[{PLATE}].note'


def plate(text: str) -> dict[str, Any]:
    return {"plate": {**event()["plate"], "normalized_text": text}}


def both(text: str, **changes: Any) -> tuple[Any, Any]:
    """What the generated function and the interpreter give: a value, or the kind of failure."""
    root, _ = bind(parse(text), lists())
    bindings = event(**changes)
    expression = compile_tree(root, text, Scope(VARIABLES))
    results = []
    for run in (expression.run, expression.interpreter):
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


@pytest.mark.parametrize("text", ["abc-123", "ABC 123", " abc123", "AbC.1-2-3", "\uff21BC123"[1:]])
def test_a_producer_that_does_not_normalise_is_understood(text: str) -> None:
    changes = plate(text)
    is_there = text != "BC123"
    for name in ("noted", "dated", "states", "terms"):
        assert both(ON.format(name), **changes) == (is_there, is_there)
        rows = both(f'watchlist("{name}").rows({PLATE}).size() > 0', **changes)
        assert rows == (is_there, is_there)
    if is_there:
        assert both(NOTE.format("noted"), **changes) == ("red Golf",) * 2
        assert both(NOTE.format("dated"), **changes) == ("now",) * 2


@pytest.mark.parametrize(
    "key", ["plate.text", "lower(plate.normalized_text)", '"abc-123"', 'plate.text + " "']
)
def test_whatever_text_is_asked_for_is_normalised(key: str) -> None:
    assert both(f'{key} in watchlist("noted")') == (True, True)
    assert both(f'watchlist("noted")[{key}].note') == ("red Golf",) * 2
    assert both(f'watchlist("states").rows({key})[1].state') == ("FL",) * 2


def test_a_very_long_text_is_on_no_list() -> None:
    for changes in (plate("A" * 100_000), plate("-" * 300 + "ABC123")):
        assert both(ON.format("noted"), **changes) == (False, False)
        assert both(f'size(watchlist("states").rows({PLATE}))', **changes) == (0, 0)


ROWS = f'watchlist("states").rows({PLATE})'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f'{ROWS}.exists(r, r.state == "FL")', True),
        (f'{ROWS}.exists(r, r.state == "TX")', False),
        (f'{ROWS}.exists(r, r.state == "FL" && r.reason == "unpaid")', False),
        (f'{ROWS}.all(r, r.state == "GA")', False),
        (f"{ROWS}.all(r, r.reason != null)", True),
        (f'{ROWS}.exists_one(r, r.state == "FL")', True),
        (f'{ROWS}.exists_one(r, r.state == "GA")', False),
        (f'{ROWS}.filter(r, r.state == "GA").map(r, r.reason)', ["expired insurance", "unpaid"]),
        (f'{ROWS}.map(r, r.state == "GA", r.reason)', ["expired insurance", "unpaid"]),
        (f"{ROWS}.map(r, r.state)", ["GA", "FL", "GA"]),
        (f'"stolen" in {ROWS}.map(r, r.reason)', True),
        (f"{ROWS}.size() + size({ROWS})", 6),
        (f"{ROWS}[1].reason", "stolen"),
        (f"{ROWS} == []", False),
        (f"{ROWS}[0] == {ROWS}[0] && {ROWS}[0] != {ROWS}[2]", True),
        (f"has({ROWS}[0].valid_until)", False),
        (f"cel.bind(all, {ROWS}, all.size() == 3 && all.exists(r, r.reason == null))", False),
        ('["12", "NONE"].map(p, watchlist("states").rows(p).size())', [2, 0]),
        (f'{ROWS}.exists(r, {ROWS}.exists(s, r.state == s.state && r.reason != s.reason))', True),
        ('watchlist("states").rows(plate.region)', []),
        ('watchlist("states").rows(dyn(1))', []),
        ('watchlist("states").rows("NONE").all(r, r.state == "FL")', True),
        ('watchlist("states").rows("NONE").exists_one(r, true)', False),
        ('watchlist("plain").rows("ab12")', [dict.fromkeys(("note", "valid_from", "valid_until"))]),
    ],
)  # fmt: skip
def test_all_rows_of_a_plate_can_be_asked(text: str, value: object) -> None:
    expression = compiled(text)
    assert expression.evaluate(event()) == value
    assert expression.interpreter(event()) == value


def test_rows_are_those_in_force_at_the_events_time_in_their_order() -> None:
    notes = f'watchlist("terms").rows({PLATE}).map(r, r.note)'
    times = (timedelta(), timedelta(minutes=1), timedelta(days=-2), timedelta(hours=-1))
    found = [value_of(notes, time=NOON + each) for each in times]
    assert found == [["now"], ["later"], ["old"], []]
    until = f'watchlist("terms").rows({PLATE}).exists(r, r.valid_until - time < duration("90s"))'
    assert both(until) == (True, True)


def test_a_row_that_is_not_there_is_an_error_only_where_it_is_read() -> None:
    assert both(f'{ROWS}[0].state == "GA"', **plate("NONE")) == ("index_out_of_range",) * 2
    assert both(f'{ROWS}.exists(r, r.reason.startsWith("s"))', **plate("12")) == (False, False)
    assert (
        both(f'{ROWS}.exists(r, r.reason.startsWith("s"))', **plate("AB12"))
        == ("null_operand",) * 2
    )


def test_without_a_time_no_row_is_in_force() -> None:
    bindings = event()
    del bindings["time"]
    for name in ("states", "terms"):
        rows = compiled(f'size(watchlist("{name}").rows({PLATE}))')
        with pytest.raises(EvaluationError, match="has no 'time'"):
            rows.evaluate(bindings)
        assert rows.evaluate({**bindings, **plate("NONE")}) == 0


def test_rows_cost_so_much_that_many_of_them_do_not_take_long(tmp_path: Path) -> None:
    lines = "".join(f"A1,{number}\nP{number},x\n" for number in range(1_000))
    known = Lists({"stolen": good(tmp_path, f"plate,note\n{lines}")})
    rows = 'watchlist("stolen").rows("A1")'
    once = compile_expression(f'{rows}.exists(r, r.note == "999")', VARIABLES, known)
    assert once.evaluate(event()) is True
    assert once.interpreter(event()) is True
    plates = [f'"{each}1"' for each in "A" * 40]
    text = f'[{", ".join(plates)}].all(p, watchlist("stolen").rows(p).size() == 1000)'
    with pytest.raises(EvaluationError, match="takes more than"):
        compile_expression(text, VARIABLES, known).evaluate(event())
    other = text.replace("A1", "P1").replace("1000", "1")
    assert compile_expression(other, VARIABLES, known).evaluate(event()) is True


CASES = tomllib.loads(
    Path(__file__).with_name("functions.toml").read_text(encoding="utf-8")
)["watchlists"]  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_question_has_a_case_that_it_passes(name: str) -> None:
    text, value = CASES[name]
    assert name in text
    assert both(text) == (json.loads(value),) * 2
