"""The tree's own helpers."""

from __future__ import annotations

from engine.cel.syntax import tree
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Bound, Call, Ident, Literal
from engine.cel.values.values import MISSING


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
