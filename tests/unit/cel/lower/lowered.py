"""What an expression is lowered to, for the tests of the lowering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.cel import Expression
from engine.cel.lower.fragments import SourceWriter, cel_value
from engine.cel.lower.translator import make_function
from engine.errors import EvaluationError, ExpressionError
from tests.unit.cel.plate_variables import compiled


def body_of(expression: Expression) -> str:
    """The Python that the expression is lowered to."""
    assert expression.fragment is not None
    return SourceWriter().text(cel_value(expression.fragment))


def body(text: str) -> str:
    """The Python that a text over `VARIABLES` is lowered to."""
    return body_of(compiled(text))


def compiled_or_none(text: str) -> Expression | None:
    """The expression, None where the check finds what would always fail."""
    try:
        return compiled(text)
    except ExpressionError:
        return None


def quickly(expression: Expression, bindings: Mapping[str, Any]) -> Any:
    """The value without any help of the interpreter: a function that gives up is a failed test."""
    assert expression.fragment is not None
    writer = SourceWriter()
    text = writer.text(cel_value(expression.fragment))

    def never(bindings: Any) -> Any:
        raise AssertionError(f"gave up: {text}")

    return make_function(text, writer.constants, never)(bindings)


def outcome(run: Callable[[Any], Any], bindings: Mapping[str, Any]) -> tuple[str, ...]:
    """A value with its type, or an error with its kind and its message."""
    try:
        value = run(bindings)
    except EvaluationError as error:
        return "failed", error.error_type, str(error)
    return type(value).__name__, repr(value)
