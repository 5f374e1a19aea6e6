"""Text into trees."""

from __future__ import annotations

import sys

import pytest

from engine.cel.syntax import tree
from engine.cel.syntax.parser import MAX_DEPTH, built, installed_grammar, parse, parser
from engine.cel.syntax.tokens import tokenize
from engine.cel.syntax.tree import Call, Ident, Literal
from engine.errors import ExpressionError, Problem


def problem_of(text: str) -> Problem:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    return problem


def test_operators_bind_as_in_cel() -> None:
    root = parse("a + b * c == d && e || f ? g : h")
    assert isinstance(root, Call)
    assert root.function == tree.TERNARY
    either = root.args[0]
    assert isinstance(either, Call)
    assert either.function == tree.OR
    both = either.args[0]
    assert isinstance(both, Call)
    assert both.function == tree.AND


def test_chains_of_and_are_one_node() -> None:
    root = parse("a && (b && c) && d")
    assert isinstance(root, Call)
    assert len(root.args) == 3


def test_offsets_are_those_of_the_names_and_signs() -> None:
    root = parse("plate.text == 'é' && x")
    assert isinstance(root, Call)
    equality, last = root.args
    assert isinstance(equality, Call)
    assert (root.offset, equality.offset, last.offset) == (18, 11, 21)
    assert equality.args[0].offset == 6


@pytest.mark.parametrize(
    ("text", "offset", "remedy"),
    [
        ("", 0, "write a condition, 'true' for always"),
        ("// nothing", 10, "write a condition, 'true' for always"),
        ("a &&", 4, "an operand or a bracket is missing"),
        ("a and b", 2, "write '&&'"),
        ("not a", 4, "write '!'"),
        ("a == = b", 5, "compare with '=='"),
        ("(a", 2, "an operand or a bracket is missing"),
        ("a)", 1, "there is one too many"),
        ("1 2", 2, "an operator is missing before it, such as && or =="),
        ("a.in", 2, "'in' is a reserved word: write ['in']"),
    ],
)
def test_a_syntax_fault_has_its_place_and_where_possible_a_remedy(
    text: str, offset: int, remedy: str
) -> None:
    problem = problem_of(text)
    assert (problem.code, problem.offset, problem.remedy) == ("syntax", offset, remedy)


def test_trees_deeper_than_the_limit_are_refused() -> None:
    half = MAX_DEPTH // 2
    deep = "[(a ? " * (half + 1) + "1" + " : 2)]" * (half + 1)
    assert problem_of(deep).code == "too-deep"


@pytest.mark.slow
def test_thousands_of_operands_beside_each_other_are_fine() -> None:
    for sign in ("+", "-", "*", "&&", "||"):
        assert tree.depth(parse(f" {sign} ".join(["a"] * 5_000))) == 2


def test_the_process_keeps_its_recursion_limit() -> None:
    before = sys.getrecursionlimit()
    parse("a.b(c)[0]")
    assert sys.getrecursionlimit() == before


def test_a_plain_name_is_a_tree() -> None:
    root = parse("(a)")
    assert isinstance(root, Ident)
    assert not isinstance(parse("-1"), Call)
    assert isinstance(parse("-1"), Literal)


@pytest.mark.parametrize("number", ["80", "80u", "0x50", "0x50u", "8e1"])
def test_a_percentage_of_any_number_is_a_problem_with_its_remedy(number: str) -> None:
    with pytest.raises(ExpressionError, match=r"write 0\.8 for"):
        parse(f"latency_ms > {number} % == 1")


def test_the_kept_tables_are_those_of_the_grammar() -> None:
    kept, made = parser(), built(installed_grammar())
    assert kept.source_path == "<deserialized>", "made from another grammar, run `make grammar`"
    size = [len(each.parser.parser._parse_table.states) for each in (kept, made)]
    assert size[0] == size[1]
    for text in (
        "a + b * -c % 2 - 1 == 3u || !d && e != .f ? g : h",
        "[1, 2.0, b'x', 'y', null, true][0] in {'k': v, 'l': [w,]}",
        "a.b.c(d, e).f < 1 && g(h) >= 2 && i() <= j && k > l / m",
        "a.b[c].map(x, x + 1).filter(y, y in z).exists(q, (q))",
    ):
        assert repr(kept.parse(tokenize(text))) == repr(made.parse(tokenize(text)))
