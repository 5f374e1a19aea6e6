"""Conditions that `&&` never brings together, and those that `||` never leaves untrue."""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import Expression, compile_expression
from engine.cel.check.check import check
from engine.cel.check.contradictions import Conflict, find_conflict
from engine.cel.syntax import tree
from engine.cel.syntax.tree import Call
from engine.cel.types.scope import Scope
from engine.errors import EvaluationError, Problem, Severity
from engine.schema import FieldType, Kind
from tests.support.random_cases import examples
from tests.unit.cel.plate_variables import VARIABLES

EVENT: Final = {
    **VARIABLES,
    "i": FieldType(Kind.INT),
    "d": FieldType(Kind.DOUBLE, nullable=True),
    "s": FieldType(Kind.STRING, nullable=True),
    "t": FieldType(Kind.BOOL),
}
CODES: Final = frozenset({"never-true", "always-true"})


def found_in(text: str) -> list[Problem]:
    """The warnings of logic that has no effect."""
    found = [each for each in compile_expression(text, EVENT).warnings if each.code in CODES]
    assert all(each.severity is Severity.WARNING and each.remedy for each in found)
    return found


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        (
            "camera_id == 'a' && camera_id == 'b'",
            "'camera_id == \"a\"' and 'camera_id == \"b\"' are never true together",
            'for one or the other write camera_id in ["a", "b"]',
        ),
        (
            "i >= 22 && i <= 6",
            "'i >= 22' and 'i <= 6' are never true together",
            "for one or the other write i >= 22 || i <= 6",
        ),
        (
            "camera_id != 'a' || camera_id != 'b'",
            "'camera_id != \"a\"' or 'camera_id != \"b\"' is always true",
            'where both must hold write camera_id != "a" && camera_id != "b"',
        ),
        (
            "s == null && s != null",
            "'s == null' and 's != null' are never true together",
            "remove one of them, or correct its value",
        ),
        (
            "i != 1 && i != 2 && i in [1, 2]",
            "'i in [1, 2]' is never true together with what stands before it",
            "write '||' where one of them is enough",
        ),
        (
            "i == 1 || i > 5 || i < 6 && t || i < 7",
            "'i > 5' or 'i < 7' is always true",
            "where both must hold write i > 5 && i < 7",
        ),
        (
            "(t ? i == 1 : i == 2) && i == 3",
            "'t ? i == 1 : i == 2' and 'i == 3' are never true together",
            "for one or the other write (t ? i == 1 : i == 2) || i == 3",
        ),
    ],
)
def test_what_has_no_effect_is_told_with_what_to_write(text: str, what: str, remedy: str) -> None:
    (found,) = found_in(text)
    assert (found.what, found.remedy) == (what, remedy)


@pytest.mark.parametrize(
    "text",
    [
        "'a' == camera_id && camera_id in ['b', 'c']",
        "(i == 1 || i == 2) && i == 3",
        "5 > i && 7 < i",
        "i > 5 && i < 6",
        "d > 1.0 && d < 0.5 && d != null",
        "t && !t",
        "!(i == 1 || i == 2) && i in [1, 2]",
        "camera_id.startsWith('A') && camera_id.startsWith('B')",
        "camera_id.startsWith('A') && camera_id == 'BC'",
        "has(vehicle.color) && vehicle.color == null",
        "vehicle.color != null && lower(vehicle.color) == 'red' && vehicle.color == 'Blue'",
        "size(camera_id) == 6 && size(camera_id) == 7",
        "camera_id.matches('A') && !camera_id.matches('A')",
        "[1].exists(n, n == 1 && n == 2)",
        "cel.bind(n, i, n > 2 && n < 1)",
        "(t ? i > 1 && i < 1 : t) == t",
        "time > timestamp('2026-01-01T00:00:00Z') && time < timestamp('2025-01-01T00:00:00Z')",
        "time - time > duration('2h') && time - time < duration('1h')",
        "i + 1 == 2 && i + 1 == 3",
        "latency_ms >= 100 || latency_ms < 200",
        "vehicle.color == null || vehicle.color != null",
    ],
)
def test_every_kind_of_comparison_is_known(text: str) -> None:
    assert len(found_in(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "i >= 22 || i <= 6",
        "i > 5 && i < 7",
        "d != null && d > 0.5 && d < 0.5001",
        "d != null && (d < 0.5 || d >= 0.5)",
        "d != null && !(d < 0.5) && !(d >= 0.5)",
        "camera_id != 'a' && camera_id != 'b'",
        "camera_id == 'a' && vehicle.make == 'b'",
        "camera_id == 'a' && camera_id < 'b'",
        "camera_id == 'A' && lower(camera_id) == 'a'",
        "time.getHours('Europe/Berlin') >= 22 && time.getHours('UTC') <= 6",
        "vehicle.color == null || vehicle.color != 'red'",
        "vehicle.color == null ? camera_id == 'a' : vehicle.color == 'red'",
        "[1, 2].exists(n, n == 1) && [1, 2].exists(n, n == 2)",
        "dyn(i) == 1 && dyn(i) == 'a'",
        "dyn({'a': null}).a == null && has(dyn({'a': null}).a)",
        "i == 1 && (i == 2 || t)",
        "i in [1, 2] && i in [2, 3]",
        "i == 1 && i == 1.0",
        "camera_id.startsWith('A') && camera_id.startsWith('AB')",
        "camera_id.startsWith('') && camera_id == 'a'",
        "t && t",
    ],
)
def test_what_may_hold_is_not_told(text: str) -> None:
    assert found_in(text) == []


LEAVES: Final = st.sampled_from(
    [
        *(f"i {sign} {value}" for sign in ("<", "<=", ">", ">=", "==", "!=") for value in (1, 2)),
        *(f"d {sign} {value}" for sign in ("<", "<=", ">", ">=", "==", "!=") for value in (1, 1.5)),
        *(f"{value} {sign} i" for sign in ("<", ">=", "==") for value in (1, 2)),
        "i in [1, 3]",
        "d in [1.0, 1.5]",
        "i > 1.5",
        "d == null",
        "d != null",
        "s == null",
        "s == 'a'",
        "s != 'AB'",
        "s in ['a', 'AB', null]",
        "s.startsWith('A')",
        "s < 'a'",
        "lower(s) == 'a'",
        "lower(s) in ['ab', 'b']",
        "t",
        "t == false",
    ]
)
CONDITIONS: Final = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda of: f"({' '.join(of)})"),
        inner.map(lambda text: f"!({text})"),
        st.tuples(inner, inner, inner).map(lambda of: f"({of[0]} ? {of[1]} : {of[2]})"),
    ),
    max_leaves=6,
)
BINDINGS: Final = [
    {"i": i, "d": d, "s": s, "t": t}
    for i, d, s, t in itertools.product(
        (0, 1, 2, 3),
        (None, 0.5, 1.0, 1.25, 1.5, 2.0, math.nan, -math.inf),
        (None, "", "a", "A", "AB", "Ab", "b"),
        (True, False),
    )
]


def clash_of(*texts: str) -> Conflict | None:
    parts = [compile_expression(text, EVENT).root for text in texts]
    findings = check(Call(0, tree.AND, tuple(parts)), Scope(EVENT))
    return find_conflict(parts, findings.type_of)


def is_true(expression: Expression, bindings: dict[str, Any]) -> bool:
    try:
        return expression.run(bindings) is True
    except EvaluationError:
        return False


@examples(300)
@given(st.lists(CONDITIONS, min_size=2, max_size=3))
def test_what_is_said_to_clash_is_never_true_together(texts: list[str]) -> None:
    if clash_of(*texts) is None:
        return
    parts = [compile_expression(text, EVENT) for text in texts]
    assert not any(all(is_true(part, event) for part in parts) for event in BINDINGS)


@examples(300)
@given(CONDITIONS, CONDITIONS)
def test_what_is_said_to_be_always_true_is_never_false(one: str, two: str) -> None:
    if clash_of(f"!({one})", f"!({two})") is None:
        return
    either = compile_expression(f"({one}) || ({two})", EVENT)
    for event in BINDINGS:
        try:
            assert either.run(event) is not False
        except EvaluationError:
            continue


def test_the_first_of_a_pair_is_named_or_none() -> None:
    assert clash_of("i == 1", "t", "i == 2") == Conflict(0, 2)
    assert clash_of("i >= 1", "i <= 2", "i != 1 && i != 2") == Conflict(None, 2)
    assert clash_of("i == 1", "t") is None


def test_what_one_part_says_alone_is_no_clash() -> None:
    assert clash_of("i == 1 && i == 2", "i == 3") is None
