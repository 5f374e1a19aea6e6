"""Fragments as text: what is used twice is computed once, where it is sure to be computed."""

from __future__ import annotations

from engine.cel.lower.fragments import Fragment, SourceWriter, constant, name, plain
from engine.cel.lower.operators import all_of, any_of, choice
from tests.unit.cel.lower.lowered import body, quickly
from tests.unit.cel.plate_variables import compiled, event


def load(field: str) -> Fragment:
    return plain("b[{0}]", name(field), kind=bool, share=field)


def written(code: Fragment) -> str:
    return SourceWriter().text(code)


def test_a_load_that_is_used_once_has_no_name() -> None:
    assert written(load("a")) == "b[k0]"
    assert written(all_of([load("a"), load("b")])) == "(b[k0] and b[k1])"


def test_a_load_that_is_used_again_is_named_where_it_comes_first() -> None:
    assert written(all_of([load("a"), load("b"), load("a")])) == "((v0 := b[k0]) and b[k1] and v0)"
    assert body("plate.text == 'a' || plate.text == 'b'") == (
        "(((v0 := b[k0][k1]) == k2) or (v0 == k3))"
    )


def test_what_may_not_have_been_computed_is_computed_again() -> None:
    maybe = any_of([load("a"), load("b")])
    assert written(all_of([maybe, load("b")])) == "((b[k0] or b[k1]) and b[k1])"
    chosen = choice(load("c"), load("a"), load("b"))
    assert written(all_of([chosen, load("a"), load("c")])) == (
        "((b[k1] if (v0 := b[k0]) else b[k2]) and b[k1] and v0)"
    )


def test_shared_fragments_may_stand_inside_each_other() -> None:
    text = "plate.text.lower() == 'a' || plate.text.lower() == 'b' || plate.text == 'abc 123'"
    assert quickly(compiled(text), event()) is True
    assert body(text).count("b[") == 1
    assert body(text).count("lower") == 1


def test_constants_are_numbered_and_texts_are_taken_once() -> None:
    writer = SourceWriter()
    code = plain("f({0}, {1}, {2}, {3})", *map(constant, ("a", 1.5, "a", None)))
    assert writer.text(code) == "f(k0, k1, k0, None)"
    assert writer.constants == ["a", 1.5]
