"""The variables and an event for tests of the language, free of any schema file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from engine.cel import Expression, compile_condition, compile_expression
from engine.cel.syntax.examples import Examples
from engine.errors import EvaluationError, ExpressionError, Problem, Severity
from engine.schema import FieldType, Kind

TEXT: Final = FieldType(Kind.STRING)
NULLABLE_TEXT: Final = FieldType(Kind.STRING, nullable=True)

VARIABLES: Final[Mapping[str, FieldType]] = {
    "camera_id": TEXT,
    "plate": FieldType(
        Kind.RECORD,
        fields={
            "text": TEXT,
            "normalized_text": TEXT,
            "confidence": FieldType(Kind.DOUBLE),
            "region": NULLABLE_TEXT,
        },
    ),
    "vehicle": FieldType(Kind.RECORD, fields={"make": NULLABLE_TEXT, "color": NULLABLE_TEXT}),
    "latency_ms": FieldType(Kind.INT),
    "extras": FieldType(
        Kind.RECORD,
        nullable=True,
        fields={
            "direction": NULLABLE_TEXT,
            "lane": FieldType(Kind.INT),
            "quality_score": FieldType(Kind.DOUBLE, nullable=True),
            "seen": FieldType(Kind.TIMESTAMP, nullable=True),
        },
    ),
    "is_test": FieldType(Kind.BOOL),
    "tags": FieldType(Kind.LIST, element=TEXT),
    "labels": FieldType(Kind.MAP, element=TEXT, key=TEXT),
    "time": FieldType(Kind.TIMESTAMP),
}
#: The names that messages show.
EXAMPLES: Final = Examples(
    text="plate.text",
    plain="camera_id",
    condition="plate.region",
    keys=("plate.normalized_text", "plate.text"),
    watchlist="stolen",
)
NOON: Final = datetime(2025, 12, 25, 12, 30, tzinfo=UTC)


def event(**changes: Any) -> dict[str, Any]:
    """The bindings of one event; `changes` replace top-level fields."""
    return {
        "camera_id": "gate-1",
        "plate": {
            "text": "abc 123",
            "normalized_text": "ABC123",
            "confidence": 0.95,
            "region": None,
        },
        "vehicle": {"make": "Škoda", "color": None},
        "latency_ms": 40,
        "extras": None,
        "is_test": False,
        "tags": ["vip", "night"],
        "labels": {"lane": "left"},
        "time": NOON,
    } | changes


def compiled(text: str) -> Expression:
    """The expression over `VARIABLES`."""
    return compile_expression(text, VARIABLES, examples=EXAMPLES)


def value_of(text: str, **changes: Any) -> Any:
    """The expression's value on `event(**changes)`."""
    return compiled(text).evaluate(event(**changes))


def failure_of(text: str, **changes: Any) -> str:
    """The `error_type` with which the expression fails on `event(**changes)`."""
    with pytest.raises(EvaluationError) as caught:
        value_of(text, **changes)
    return caught.value.error_type


def problems_of(text: str) -> list[Problem]:
    """The problems with which the expression is refused."""
    with pytest.raises(ExpressionError) as caught:
        compiled(text)
    return list(caught.value.problems)


def problem_of(text: str) -> Problem:
    """The one problem with which the expression is refused."""
    (problem,) = problems_of(text)
    assert problem.severity is Severity.ERROR
    return problem


def holds(field: str, operator: str, value: object, **changes: Any) -> bool:
    """Whether a condition holds on `event(**changes)`."""
    result = compile_condition(field, operator, value, VARIABLES).evaluate(event(**changes))
    assert isinstance(result, bool)
    return result
