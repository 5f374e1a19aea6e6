from __future__ import annotations

import pytest

from engine.cel.check.watchlists import bind
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Comprehension, unparse
from engine.match.necessary import MAX_NODES, can_unroll, expanded, unrolled, written_out
from tests.unit.cel.plate_lists import lists


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
        ("cel.bind(v, x, v == 1)", True),
        ("cel.bind(v, [1], [2].exists(w, w in v))", True),
        ("cel.bind(v, [1], v.exists(w, w == 1))", False),
        ("[1].exists(v, x.all(w, w == v))", False),
        (f"[{','.join('1' * 200)}].all(v, [{','.join('2' * 200)}].all(w, w > v))", False),
    ],
)
def test_only_macros_whose_rounds_are_known_and_few_are_written_out(text: str, can: bool) -> None:
    assert can_unroll(parse(text)) is can


@pytest.mark.parametrize(
    ("condition", "can"),
    [
        ("{}.exists(r, r.state == x)", True),
        ('{}.filter(r, r.state == x).exists(s, s.reason == "a")', True),
        ("{}.map(r, r.state).exists(s, s == x)", True),
        ("y.exists(v, {}.exists(r, r.state == x))", False),
        (" && ".join(["{0}.exists(r, {0}.exists(s, r.state != s.state))"] * 500), False),
    ],
)
def test_it_is_known_how_many_rows_a_plate_has_at_the_most(condition: str, can: bool) -> None:
    text = condition.replace("{}", "{0}").format('watchlist("states").rows(p)')
    root, _ = bind(parse(f'["FL", "GA"].exists(x, {text})'), lists())
    assert can_unroll(root) is can


def result_of(text: str) -> str | None:
    node = parse(text)
    assert isinstance(node, Comprehension)
    result = written_out(node)
    return None if result is None else unparse(result)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("cel.bind(a, x.y + 1, a > 2 || a == z)", "x.y + 1 > 2 || x.y + 1 == z"),
        ("cel.bind(a, x, cel.bind(b, a, b == a))", "cel.bind(b, x, b == x)"),
        ("cel.bind(a, x, cel.bind(a, a + 1, a))", "cel.bind(a, x + 1, a)"),
        ("cel.bind(a, x, [1].exists(a, a == 1))", "[1].exists(a, a == 1)"),
        # The inner name would take hold of the value's.
        ("cel.bind(a, x, [1].exists(x, x == a))", None),
        ("cel.bind(a, x.y, cel.bind(x, 1, x == a))", None),
    ],
)
def test_a_bound_value_is_written_out_where_that_means_the_same(
    text: str, result: str | None
) -> None:
    assert result_of(text) == result


def test_what_would_be_too_long_is_not_written_out() -> None:
    terms = " || ".join(["a == a"] * (MAX_NODES // 3))
    assert result_of(f"cel.bind(a, x + 1, {terms})") is None
    assert result_of(f"cel.bind(b, x + 1, {terms})") is not None


def test_every_bound_value_is_written_out_wherever_it_stands() -> None:
    text = "[cel.bind(a, x, a)].exists(v, v == cel.bind(b, cel.bind(c, y, c + 1), {b: -b}))"
    assert unparse(expanded(parse(text))) == "[x].exists(v, v == {y + 1: -(y + 1)})"
    capturing = "cel.bind(a, x, [1].exists(x, x == a))"
    assert unparse(expanded(parse(capturing))) == capturing


def test_a_long_run_of_operands_is_no_deep_one() -> None:
    terms = " + ".join(["v"] * 3_000)
    (part,) = parts(f"[1].exists(v, {terms} == 0)")
    assert part.startswith("1 + 1 + 1")
    assert unparse(expanded(parse(f"{terms} == 0"))) == f"{terms} == 0"
