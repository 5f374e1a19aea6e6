"""One compilation for each shape; nothing of an expression is ever text of the generated source."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.cel import compile_condition, compile_expression
from engine.cel.expression import compile_tree
from engine.cel.lower.runtime import NAMES
from engine.cel.lower.translator import make_function, source_of
from engine.cel.syntax import tree
from engine.cel.syntax.tree import Ident, Literal, Select, call
from engine.cel.types.scope import Scope
from engine.schema import FieldType, Kind
from tests.support.random_cases import examples
from tests.unit.cel.lower.lowered import body_of, compiled_or_none
from tests.unit.cel.plate_variables import VARIABLES, event
from tests.unit.cel.typed_expressions import CONDITIONS

HOSTILE = [
    "'",
    '"',
    '"""',
    "\\",
    "\n return 1\n",
    "{0}",
    "%s",
    "k0",
    "<0>",
    "__import__('os').system('true')",
    "'; import os; '",
    "b[k0]",
    "\u2028",
    "\ud7ff",
    "\0",
]
_WORDS = {
    *NAMES,
    "1",
    *["b", "and", "or", "not", "is", "in", "if", "else", "for", "None", "True", "False", "count"],
    "lambda",
    *["startswith", "endswith", "lower", "astimezone", "year", "day", "hour", "minute", "second"],
}
# Of numbers only the one that `exists_one` counts to is written out.
_TOKEN = re.compile(r"[kvx][0-9]+|[a-z0-9_A-Z]+|:=?|[-+*/<>=!]=?|[()\[\].,]|\s")


def assert_ours(body: str) -> None:
    """Every token of the text is a word of the lowering's own."""
    tokens = _TOKEN.findall(body)
    assert "".join(tokens) == body
    for token in tokens:
        is_numbered = re.fullmatch(r"[kvx][0-9]+", token) is not None
        assert is_numbered or not token[0].isalnum() or token in _WORDS, token


@examples(200)
@given(CONDITIONS)
def test_a_random_expression_leaves_no_text_in_the_source(text: str) -> None:
    expression = compiled_or_none(text)
    if expression is not None:
        assert_ours(body_of(expression))


@examples(100)
@given(st.text(min_size=1) | st.sampled_from(HOSTILE))
def test_no_text_of_a_condition_reaches_the_source(text: str) -> None:
    # A text that is the name of a field shares its constant: the shape is another one then.
    assume(text.lower() not in ("plate", "text"))
    for operator, value in (("equals", text), ("contains", text), ("in_list", [text, "a"])):
        plain = compile_condition(
            "plate.text", operator, ["a"] * 2 if value != text else "a", VARIABLES
        )
        hostile = compile_condition("plate.text", operator, value, VARIABLES)
        assert body_of(hostile) == body_of(plain)
        values: dict[str, Any] = event(plate={**event()["plate"], "text": text})
        assert hostile.evaluate(values) is True


@pytest.mark.parametrize("name", [*HOSTILE, "import", "interpret"])
def test_no_name_reaches_the_source(name: str) -> None:
    record = FieldType(Kind.RECORD, fields={name: FieldType(Kind.STRING)})
    scope = Scope({name: record, "class": FieldType(Kind.BOOL)})
    field = Select(0, Ident(0, name), name)
    same = call(tree.EQUALS, field, Literal(0, "x"))
    expression = compile_tree(tree.chain(tree.AND, [Ident(0, "class"), same]), "", scope)
    assert body_of(expression) == "(b[k0] and (b[k1][k1] == k2))"
    assert expression.evaluate({"class": True, name: {name: "x"}}) is True


def test_expressions_of_one_shape_are_one_compilation() -> None:
    one = compile_expression("plate.text == 'a' && latency_ms > 1", VARIABLES)
    two = compile_expression("plate.normalized_text == 'b' && extras.lane > 7", VARIABLES)
    three = compile_expression("plate.normalized_text == 'b' && latency_ms > 7", VARIABLES)
    assert one.run.__code__ is three.run.__code__
    assert one.run.__code__ is not two.run.__code__


def test_a_function_that_gives_up_is_interpreted() -> None:
    run = make_function("k0[b]", [{1: "one"}], lambda bindings: f"interpreted {bindings}")
    assert run(1) == "one"
    assert run(2) == "interpreted 2"
    assert "k0, k1" in source_of("k0 + k1", 2)
