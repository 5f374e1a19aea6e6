"""Reductions into nodes: macros, has(), and what CEL's grammar leaves to the tree."""

from __future__ import annotations

import pytest

from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import (
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    Macro,
    MapNode,
    Select,
    unparse,
)
from engine.errors import ExpressionError


def complaint(text: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    return caught.value.problems[0].what


@pytest.mark.parametrize("macro", ["all", "exists", "exists_one", "filter"])
def test_macros_with_a_condition_become_comprehensions(macro: str) -> None:
    root = parse(f"list.{macro}(item, item > 1)")
    assert isinstance(root, Comprehension)
    assert (root.macro, root.variable, root.result) == (Macro(macro), "item", None)
    assert root.condition is not None


def test_map_takes_a_result_and_perhaps_a_condition() -> None:
    short, long = parse("a.map(x, x)"), parse("a.map(x, x > 1, x)")
    assert isinstance(short, Comprehension)
    assert isinstance(long, Comprehension)
    assert (short.condition is None, long.condition is None) == (True, False)
    assert short.result is not None


def test_a_macros_name_with_other_arguments_is_a_plain_call() -> None:
    root = parse("a.all(x)")
    assert isinstance(root, Call)
    assert isinstance(root.target, Ident)


def test_has_is_a_test_of_a_field() -> None:
    root = parse("has(a.b)")
    assert isinstance(root, Select)
    assert (root.field, root.is_test) == ("b", True)


def test_a_field_may_stand_in_backquotes_and_be_a_reserved_word() -> None:
    quoted, reserved = parse("a.`b-c`"), parse("a.package")
    assert isinstance(quoted, Select)
    assert isinstance(reserved, Select)
    assert (quoted.field, reserved.field) == ("b-c", "package")


def test_a_leading_dot_makes_a_name_absolute() -> None:
    root = parse(".a")
    assert isinstance(root, Ident)
    assert root.is_absolute
    assert isinstance(parse(".f(1)"), Call)


def test_lists_and_maps_may_be_empty_and_end_in_a_comma() -> None:
    empty_list, empty_map, both = parse("[]"), parse("{}"), parse("{1: [a, b,],}")
    assert isinstance(empty_list, ListNode)
    assert isinstance(empty_map, MapNode)
    assert isinstance(both, MapNode)
    assert (empty_list.items, empty_map.entries, len(both.entries)) == ((), (), 1)


def test_a_minus_before_a_number_is_its_sign() -> None:
    root = parse("--1")
    assert isinstance(root, Call)
    assert isinstance(root.args[0], Literal)
    assert root.args[0].value == -1


def test_three_and_more_arguments_of_a_choice_are_a_list() -> None:
    assert unparse(parse("math.greatest(1, 2, a)")) == "math.greatest([1, 2, a])"
    assert unparse(parse("math.least(1, 2)")) == "math.least(1, 2)"
    assert unparse(parse("maths.least(1, 2, 3)")) == "maths.least(1, 2, 3)"
    assert unparse(parse(".math.least(1, 2, 3)")) == ".math.least(1, 2, 3)"


def test_a_bound_name_is_a_macro_of_one_round() -> None:
    root = parse("cel.bind(a, [1], a == b)")
    assert isinstance(root, Comprehension)
    assert (root.macro, root.variable, root.condition) == (Macro.BIND, "a", None)
    for text in (".cel.bind(a, 1, a)", "x.bind(a, 1, a)", "cel.bind(a, 1)"):
        assert isinstance(parse(text), Call)


def test_what_the_language_does_not_offer_says_so() -> None:
    assert complaint("Plate{text: 1}") == "messages can't be made here"
    assert complaint("for + 1") == "'for' is a reserved word"
    assert complaint("if(a)") == "'if' is a reserved word"
    assert complaint("[1].all(a.b, true)") == ("the first argument of all() must be a simple name")
    assert complaint("has(a)") == "has() takes a field: has(record.field)"
    assert complaint("`a`") == "only a field's name after a dot may stand in backquotes"
    assert complaint("a.`f`(1)") == "only a field's name after a dot may stand in backquotes"
