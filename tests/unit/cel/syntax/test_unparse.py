"""Trees back into text: valid CEL with the same meaning."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import compile_condition, compile_expression, evaluate
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Bound, call, unparse
from engine.cel.values.values import UInt
from engine.errors import EvaluationError
from tests.unit.cel.expressions import BINDINGS, CONDITIONS
from tests.unit.cel.plate_variables import VARIABLES, event


def outcome(text: str) -> Any:
    try:
        return evaluate(text, BINDINGS)
    except EvaluationError as error:
        return error.error_type


@given(CONDITIONS)
def test_the_text_of_a_tree_means_the_same(text: str) -> None:
    written = unparse(parse(text))
    assert outcome(written) == outcome(text)
    assert unparse(parse(written)) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("((a))", "a"),
        ("a&&(b||c)", "a && (b || c)"),
        ("(a&&b)||c", "a && b || c"),
        ("a-(b-c)", "a - (b - c)"),
        ("(a-b)-c", "a - b - c"),
        ("(a+b)*c%d", "(a + b) * c % d"),
        ("a*(b+c)", "a * (b + c)"),
        ("(a==b)==c", "a == b == c"),
        ("a==(b==c)", "a == (b == c)"),
        ("!(a&&b)", "!(a && b)"),
        ("!!a", "!!a"),
        ("-(-a)", "--a"),
        ("-(1)", "-(1)"),
        ("-(-1)", "--1"),
        ("-(.5)", "-(0.5)"),
        ("(-1).f()", "-1.f()"),
        ("(-a).f()", "(-a).f()"),
        ("(a?b:c)?d:(e?f:g)", "(a ? b : c) ? d : e ? f : g"),
        ("a?(b?c:d):e", "a ? (b ? c : d) : e"),
        ("(a+b).size()", "(a + b).size()"),
        ("[1,2u,.5,'x',b'\\xff',null,true]", '[1, 2u, 0.5, "x", b"\\xff", null, true]'),
        ("{1:a,'b':[c]}", '{1: a, "b": [c]}'),
        ("a[b][0].c.`d-e`.in_", "a[b][0].c.`d-e`.in_"),
        ("has(a.b)&&has(a.`c d`)", "has(a.b) && has(a.`c d`)"),
        ("l.map(x,x>1,x*2).all(y,y in l)", "l.map(x, x > 1, x * 2).all(y, y in l)"),
        (".a+strings.quote(b)", ".a + strings.quote(b)"),
        ("1e300", "1.0e+300"),
        ('r\'\\d"\'+"\\n\\u0007\\u2028"', '"\\\\d\\"" + "\\n\\u0007\\u2028"'),
        ("'😀é\\U000e0001'", '"😀é\\U000e0001"'),
    ],
)
def test_text_has_only_the_brackets_that_it_needs(text: str, written: str) -> None:
    assert unparse(parse(text)) == written
    assert unparse(parse(written)) == written


LITERALS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1).map(UInt),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
)


@given(st.lists(LITERALS, max_size=4))
def test_bound_values_are_written_as_literals_of_the_same_value(values: list[Any]) -> None:
    text = unparse(Bound(0, tuple(values)))
    result = evaluate(text)
    assert result == values
    assert list(map(type, result)) == list(map(type, values))


def test_a_long_bound_list_may_be_shortened_for_people() -> None:
    node = call("@in", parse("x"), Bound(0, tuple(range(1_000))))
    assert unparse(node, 3) == "x in [0, 1, 2, … 997 more]"
    assert unparse(node).endswith("998, 999]")


@given(
    st.sampled_from(["equals", "contains", "in_list", "regex"]),
    st.text(max_size=5),
    st.text(max_size=5),
)
def test_the_cel_of_a_condition_means_the_same(operator: str, value: str, region: str) -> None:
    given_value: object = [value, None, "x"] if operator == "in_list" else value
    if operator == "regex":
        given_value = "^" + "".join(f"\\x{{{ord(character):x}}}" for character in value)
    expression = compile_condition("plate.region", operator, given_value, VARIABLES)
    again = compile_expression(unparse(expression.root), VARIABLES)
    for text in (region, value, value.upper(), None):
        bindings = event(plate={"region": text})
        assert again.evaluate(bindings) is expression.evaluate(bindings)
