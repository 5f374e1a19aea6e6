"""How parts are called."""

from __future__ import annotations

import pytest

from engine.cel.grammar import parse
from engine.cel.naming import name_of, title


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
    assert name_of(parse(text)) == name


def test_a_part_is_called_by_its_text_unless_that_is_long() -> None:
    assert title(parse("a+1")) == "'a + 1'"
    assert title(parse(" + ".join("abcdefghij"))) == "'a + b + c + d + e + f + g + h + i + j'"
    assert title(parse(f"'{'x' * 100}'")) == "this"
