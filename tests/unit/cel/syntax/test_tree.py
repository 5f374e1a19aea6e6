"""The tree's own helpers, and the tree as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import compile_condition, compile_expression, evaluate
from engine.cel.syntax import tree
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Bound, Call, Ident, Literal, call, unparse
from engine.cel.values.values import MISSING, UInt
from engine.errors import EvaluationError
from tests.unit.cel.expressions import BINDINGS, CONDITIONS
from tests.unit.cel.plate_variables import VARIABLES, event

LITERALS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1).map(UInt),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
)


def outcome(text: str) -> Any:
    try:
        return evaluate(text, BINDINGS)
    except EvaluationError as error:
        return error.error_type


def test_children_come_in_the_order_in_which_they_are_written() -> None:
    root = parse("a.f(b, [c, {d: e}], g.all(h, i), j.map(k, l, m))")
    names: list[str] = []
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Ident):
            names.append(node.name)
        waiting.extend(reversed(list(tree.children(node))))
    assert "".join(names) == "abcdegijlm"


def test_an_arithmetic_chain_is_its_first_operand_and_its_steps() -> None:
    first, calls = tree.arithmetic_chain(parse("a + b - c * d"))
    assert isinstance(first, Ident)
    assert first.name == "a"
    assert [call.function for call in calls] == ["_+_", "_-_"]
    assert tree.arithmetic_chain(parse("a"))[1] == []


def test_depth_counts_a_chain_as_one_level() -> None:
    assert tree.depth(parse("a")) == 1
    assert tree.depth(parse("a + b + c - d")) == 2
    assert tree.depth(parse("a && b && c")) == 2
    assert tree.depth(parse("a + (b + (c + d))")) == 4
    assert tree.depth(parse("f(a.b.c)")) == 4


def test_chain_merges_chains_of_the_same_operator() -> None:
    left, right = parse("a && b"), parse("c || d")
    merged = tree.chain(tree.AND, [left, right, Literal(0, True)])
    assert isinstance(merged, Call)
    assert len(merged.args) == 4
    assert tree.chain(tree.AND, [right]) is right


def test_literals_and_lists_of_them_are_constants() -> None:
    assert tree.constant_of(parse("[1, ['a', null]]")) == [1, ["a", None]]
    assert tree.constant_of(Bound(0, ("a", "b"))) == ["a", "b"]
    assert tree.constant_of(parse("[1, x]")) is MISSING
    assert tree.constant_of(parse("1 + 1")) is MISSING


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
