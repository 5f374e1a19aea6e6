"""No expression takes long, whatever it builds: rounds and long values are paid for."""

from __future__ import annotations

from typing import Any

import pytest

from engine.cel import evaluate
from engine.cel.interpret.budget import (
    BUDGET,
    MAX_ROUNDS,
    MAX_VALUE_DEPTH,
    UNCOUNTED,
    cost,
    counted,
    spend,
    weight,
)
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Comprehension
from engine.cel.values.values import CelMap, FailureKind
from engine.errors import EvaluationError
from tests.unit.cel.plate_variables import compiled, event

TENS = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
NESTED = "".join(f"{TENS}.all(x{number}, " for number in range(4)) + "{} " + ")" * 4


def _share(levels: int) -> Any:
    value: Any = [0]
    for _ in range(levels):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    "text",
    [
        "[plate.text]" + ".map(a, [a, a])" * 30,
        "{0}{1} == {0}{1}".format("[plate.text]", ".map(a, [a, a])" * 30),
        "{0}{1} in [{0}{1}]".format("[plate.text]", ".map(a, {1: a, 2: a})" * 30),
        "'%s'.format([[plate.text]" + ".map(a, [a, a])" * 30 + "])",
        "[plate.text]" + ".map(a, a + a)" * 40,
        "plate.text" + ".replace('', 'xxxxxxxx')" * 40,
        "cel.bind(a, plate.text" + " + plate.text" * 500 + ", a" + " + a" * 3_000 + ") == ''",
        "[plate.text]" + ".map(a, [[[[[[[[a]]]]]]]])" * 20,
        NESTED.format("x0 + x1 >= 0 && " + " && ".join(["x2 + x3 != 99"] * 500)),
        NESTED.format(f"!'{'x' * 20_000}'.contains(string(x0) + 'y')"),
        f"cel.bind(s, '{'x' * 20_000}', {NESTED.format('!s.contains(string(x0))')})",
        f"cel.bind(s, {list(range(2_000))}, {NESTED.format('s != [x0]')})",
    ],
    ids=lambda text: text[-40:],
)
def test_what_would_take_for_ever_is_too_large(text: str) -> None:
    values = event(plate={"text": "abc"})
    expression = compiled(text)
    with pytest.raises(EvaluationError) as caught:
        expression.evaluate(values)
    assert caught.value.error_type == FailureKind.TOO_LARGE


def test_values_that_share_parts_are_equal_or_not_as_others_are() -> None:
    bindings = {"a": _share(8), "b": _share(8), "c": [_share(7), _share(6)]}
    assert evaluate("a == b && a in [b] && a != c", bindings) is True


def test_a_value_costs_by_all_that_is_in_it() -> None:
    assert cost("x" * 63) == cost([1] * 7) == cost(1.5) == cost(None) == 0
    assert cost("x" * 640) == cost(b"x" * 640) == 10
    assert cost([0] * 80) == cost({str(number): 0 for number in range(80)}) == 10
    assert cost([[0] * 40, [0] * 38]) == 10
    assert cost(["x" * 640]) == 10
    many = CelMap()
    for number in range(80):
        many.add(number, 0)
    assert cost(many) == 10


def test_the_cost_of_shared_lists_is_that_of_what_they_stand_for() -> None:
    assert cost(_share(10)) == (2**11 + 2**10 - 2) // 8
    assert cost(_share(40)) > MAX_ROUNDS


def test_a_value_nested_too_deep_is_an_error() -> None:
    value: Any = 0
    for _ in range(MAX_VALUE_DEPTH + 1):
        value = [value]
    with pytest.raises(EvaluationError, match="nested too deep"):
        cost(value)


def test_spending_more_than_is_left_fails() -> None:
    bindings: dict[Any, Any] = {BUDGET: 5}
    spend(5, bindings)
    assert bindings[BUDGET] == 0
    with pytest.raises(EvaluationError, match="rounds"):
        spend(1, bindings)


def test_where_nobody_counts_only_what_is_short_is_free() -> None:
    spend(UNCOUNTED, {})
    with pytest.raises(EvaluationError, match="rounds"):
        spend(UNCOUNTED + 1, {})


def test_a_counted_closure_pays_for_its_value() -> None:
    bindings: dict[Any, Any] = {BUDGET: 12}
    assert len(counted(lambda bindings: "x" * 640)(bindings)) == 640
    assert bindings[BUDGET] == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1].all(x, x > 0)", 1),
        ("[1].all(x, x > 0 && x > 1 && x > 2 && x > 3 && x > 4)", 2),
        ("[1].all(x, [1].all(y, y > 0 && y > 1 && y > 2 && y > 3 && y > 4))", 1),
        (f"[1].all(x, string(x) != '{'y' * 640}')", 10),
    ],
)
def test_a_round_weighs_what_its_own_body_is(text: str, expected: int) -> None:
    node = parse(text)
    assert isinstance(node, Comprehension)
    assert weight(node) == expected


def test_an_ordinary_macro_is_far_from_the_limit() -> None:
    plates = [f"P{number:04}" for number in range(1_000)]
    text = f"{plates}.exists(p, plate.text.startsWith(p) || plate.text.endsWith(p))"
    assert compiled(text).evaluate(event(plate={"text": "xP0999"})) is True
