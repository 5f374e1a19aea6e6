"""How parts are called."""

from __future__ import annotations

import pytest

from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Ident, children
from engine.cel.types.findings import is_used_as_value, part_name, title


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("plate.region", "plate.region"),
        ("x", "x"),
        ("tags[0]", "tags[0]"),
        ("labels['a'].b", 'labels["a"].b'),
        ("a + b", ""),
        ("f(a)", ""),
        ("f(a).b", "f(a).b"),
        ("'text'", ""),
        (f"tags['{'x' * 300}']", ""),
    ],
)
def test_what_is_read_has_a_name_for_guards(text: str, name: str) -> None:
    assert part_name(parse(text)) == name


@pytest.mark.parametrize(
    ("text", "is_value"),
    [
        ("a == x", True),
        ("[x]", True),
        ("{'a': x}", True),
        ("a.f(x)", True),
        ("x", False),
        ("x && a", False),
        ("!x", False),
        ("x.all(a, a)", False),
    ],
)
def test_a_text_may_stand_where_something_is_compared_listed_or_handed_over(
    text: str, is_value: bool
) -> None:
    root = parse(text)
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Ident) and node.name == "x":
            assert is_used_as_value(root, node) is is_value
        waiting.extend(children(node))


def test_a_part_is_called_by_its_text_unless_that_is_long() -> None:
    assert title(parse("a+1")) == "'a + 1'"
    assert title(parse(" + ".join("abcdefghij"))) == "'a + b + c + d + e + f + g + h + i + j'"
    assert title(parse(f"'{'x' * 100}'")) == "this"
