"""Function calls and macros as Python."""

from __future__ import annotations

import pytest

from engine.cel import evaluate
from engine.cel.lower.calls import MAX_ITEMS, call_function, make_loop
from engine.cel.lower.fragments import Form, Fragment, constant, plain
from engine.cel.syntax.tree import Macro
from engine.cel.types.functions import FUNCTIONS
from engine.errors import EvaluationError
from tests.unit.cel.lower.lowered import body, outcome, quickly
from tests.unit.cel.plate_variables import compiled, event


def test_a_null_is_never_taken_for_a_value() -> None:
    assert "not_null" in body("string(vehicle.make)")
    assert "not_null" in body("vehicle.make.trim()")
    assert "not_null" not in body("camera_id.trim()")
    with pytest.raises(EvaluationError, match="null"):
        compiled("string(vehicle.color)").evaluate(event())


def test_a_literal_pattern_is_compiled_once() -> None:
    assert body("plate.text.matches('^a.*3$')") == "(k0(b[k1][k2]) is not None)"
    assert quickly(compiled("plate.text.matches('^a.*3$')"), event()) is True


def test_a_bad_pattern_fails_when_it_is_evaluated() -> None:
    assert call_function(FUNCTIONS["matches"], [plain("s", kind=str), constant("(")]) is None
    with pytest.raises(EvaluationError, match="regular expression"):
        evaluate("x.matches('(')", {"x": "a"})


@pytest.mark.parametrize("part", [name for name in FUNCTIONS if name.startswith("get")])
def test_parts_of_an_instant_are_read_off_its_datetime(part: str) -> None:
    for zone in ("", "'UTC'", "'Australia/Adelaide'", "'-02:30'"):
        text = f"time.{part}({zone}) == timestamp('2025-12-25T12:30:00Z').{part}({zone})"
        assert "instant" not in body(text)
        assert quickly(compiled(text), event()) is True


def test_the_moment_in_a_zone_is_made_once() -> None:
    text = "time.getHours('Asia/Tokyo') > 20 && time.getMinutes('Asia/Tokyo') == 30"
    assert body(text).count("astimezone") == 1


def test_unknown_types_are_dispatched_when_they_are_known() -> None:
    assert evaluate("size(x)", {"x": [1]}) == 1
    assert evaluate("double(x)", {"x": "1.5"}) == 1.5
    with pytest.raises(EvaluationError, match="can't be applied"):
        evaluate("size(x)", {"x": 1})


def test_loops_may_stand_inside_each_other_and_see_the_event() -> None:
    text = "tags.exists(t, tags.exists(u, t != u && camera_id != t) && plate.text != t)"
    assert quickly(compiled(text), event()) is True


def test_what_was_read_before_a_loop_is_not_read_again_in_it() -> None:
    text = "plate.text != '' && tags.exists(t, t == plate.text)"
    assert quickly(compiled(text), event()) is False
    assert body(text).count("b[") == 2


def test_a_long_list_is_left_to_the_interpreter_which_counts() -> None:
    expression = compiled("tags.all(t, t != 'x')")
    with pytest.raises(AssertionError, match="gave up"):
        quickly(expression, event(tags=["a"] * (MAX_ITEMS[1] + 1)))
    many = event(tags=["a"] * 100_001)
    with pytest.raises(EvaluationError, match="rounds"):
        expression.evaluate(many)
    assert expression.evaluate(event(tags=["a"] * 100_000)) is True


def test_large_values_that_map_keeps_are_counted_by_the_interpreter() -> None:
    expression = compiled("tags.map(t, t + plate.text)")
    values = event(tags=["a"] * 200, plate={"text": "x" * 50_000})
    assert outcome(expression.run, values) == outcome(expression.interpreter, values)
    assert outcome(expression.run, values)[0] == "failed"


def test_a_loop_knows_how_many_rounds_it_may_take() -> None:
    over, item = plain("o", kind=list), Fragment(Form.ITEM, slot=1, kind=bool)
    inner = make_loop(Macro.ALL, over, item, item, None, loops=2, weight=1)
    outer = make_loop(Macro.ALL, over, item, inner, None, loops=2, weight=1)
    assert inner.rounds == MAX_ITEMS[2]
    assert outer.rounds == MAX_ITEMS[2] * (1 + MAX_ITEMS[2]) <= 100_000


def test_a_loop_with_a_long_body_runs_over_fewer_items() -> None:
    over, item = plain("o", kind=list), Fragment(Form.ITEM, slot=1, kind=bool)
    long = make_loop(Macro.ALL, over, item, item, None, loops=1, weight=20)
    assert long.parts[1].value == MAX_ITEMS[1] // 20
    assert long.rounds == MAX_ITEMS[1]


def test_the_items_of_constant_lists_and_of_maps_are_typed() -> None:
    assert "startswith" in body("['a', 'b'].exists(p, plate.text.startsWith(p))")
    assert "startswith" in body("labels.exists(name, name.startsWith('l'))")
