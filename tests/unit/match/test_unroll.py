from __future__ import annotations

import pytest

from engine.cel.grammar import parse
from engine.cel.tree import Comprehension
from engine.cel.unparse import unparse
from engine.match.unroll import can_unroll, unrolled


def parts(text: str) -> list[str]:
    node = parse(text)
    assert isinstance(node, Comprehension)
    return [unparse(part) for part in unrolled(node)]


def test_the_condition_stands_once_for_each_item() -> None:
    assert parts("[1, 2].exists(v, v == x.v)") == ["1 == x.v", "2 == x.v"]


def test_an_inner_variable_of_the_same_name_is_another() -> None:
    assert parts("[1].all(v, [v].exists(v, v == 2))") == ["[1].exists(v, v == 2)"]


def test_inner_macros_see_the_item() -> None:
    assert parts("[1].all(v, [3].exists(w, w > v))") == ["[3].exists(w, w > 1)"]


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ("true", True),
        ("[1, 2].exists(v, v == 1)", True),
        ("x.exists(v, v == 1)", False),
        ("[1].exists(v, x.all(w, w == v))", False),
        (f"[{','.join('1' * 200)}].all(v, [{','.join('2' * 200)}].all(w, w > v))", False),
    ],
)
def test_only_macros_whose_rounds_are_known_and_few_are_written_out(text: str, can: bool) -> None:
    assert can_unroll(parse(text)) is can
