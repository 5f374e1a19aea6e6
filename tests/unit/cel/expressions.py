"""Hypothesis strategies for expressions: mostly well typed, with failures and nulls inside."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

#: Values for the names that the expressions use.
BINDINGS: Final[dict[str, Any]] = {
    "i": 3,
    "d": 2.5,
    "s": "Ab",
    "t": True,
    "n": None,
    "l": [1, 2, 3],
    "m": {"a": 1, "b": "x"},
}

INTS = st.sampled_from(["i", "0", "1", "-2", "7", "9223372036854775807", "l[0]", "l[9]", "m.a"])
DOUBLES = st.sampled_from(["d", "0.0", "-1.5", "1e300", "3.0"])
TEXTS = st.sampled_from(["s", "''", "'a'", "'Ab'", "'é'", "m.b", "m.c"])
BOOLS = st.sampled_from(["t", "true", "false", "(1 / 0 == 1)", "m.c", "(l[7] == 1)"])


def _binary(signs: list[str], operands: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(operands, st.sampled_from(signs), operands).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    )


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Conditions made of conditions and of operands."""
    ints = st.one_of(INTS, _binary(["+", "-", "*", "/", "%"], INTS))
    doubles = st.one_of(DOUBLES, _binary(["+", "-", "*"], DOUBLES))
    texts = st.one_of(TEXTS, _binary(["+"], TEXTS))
    comparisons = ["<", "<=", ">", ">=", "==", "!="]
    return st.one_of(
        _binary(["&&", "||"], inner),
        inner.map(lambda text: f"!{text}"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
        _binary(comparisons, ints),
        _binary(comparisons, doubles),
        _binary(comparisons, texts),
        st.tuples(TEXTS, st.sampled_from(["contains", "startsWith", "endsWith"]), texts).map(
            lambda p: f"{p[0]}.{p[1]}({p[2]})"
        ),
        st.tuples(ints, st.sampled_from(["l", "[1, 2]", "[]"])).map(
            lambda p: f"({p[0]} in {p[1]})"
        ),
        st.sampled_from(["has(m.a)", "has(m.c)", "'a' in m", "(n == null)", "(s == null)"]),
        st.tuples(st.sampled_from(["all", "exists"]), ints).map(
            lambda p: f"l.{p[0]}(x, x > {p[1]})"
        ),
    )


CONDITIONS: Final[st.SearchStrategy[str]] = st.recursive(BOOLS, _deeper, max_leaves=8)
