"""Any CEL expression on plain Python values, without a schema: for people's tests and tools."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from engine.cel.expression import Expression, compile_tree
from engine.cel.syntax.parser import parse
from engine.cel.types.scope import Scope
from engine.cel.values.values import FailureKind, failure, from_python, to_python


def evaluate(
    expression: str, bindings: Mapping[str, Any] | None = None, container: str = ""
) -> Any:
    """The value of a CEL expression, all types dynamic, by the very code that rules run on.

    Names are looked up in `bindings` (dots allowed), from `container` outwards. Timestamps are
    aware `datetime`, durations `timedelta`, in both directions; a uint is `UInt`, a type
    `CelType`. ExpressionError for what is no CEL; EvaluationError for what fails, unknown names
    and functions among it.
    """
    try:
        values = _values(bindings or {})
        compiled = _compiled(expression, frozenset(values), container)
        return to_python(compiled.run(values))
    except RecursionError:
        # Expressions are bounded, the caller's values are not.
        raise failure(FailureKind.TOO_LARGE, "a value is nested too deep") from None


def _values(bindings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {name: from_python(value) for name, value in bindings.items()}
    except TypeError as error:
        raise failure(FailureKind.BAD_ARGUMENT, f"a binding can't be used: {error}") from None


@lru_cache(maxsize=128)
def _compiled(text: str, names: frozenset[str], container: str) -> Expression:
    scope = Scope(dict.fromkeys(names), container, is_strict=False)
    return compile_tree(parse(text), text, scope)
