"""The kinds of evaluation failure, and how one is made."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from engine.cel.values import describe
from engine.errors import EvaluationError


class Failure(StrEnum):
    """Why an evaluation failed: the `error_type` label of the metric."""

    NO_OVERLOAD = "no_such_overload"
    NULL_OPERAND = "null_operand"
    NO_FIELD = "no_such_field"
    NO_KEY = "no_such_key"
    NO_INDEX = "index_out_of_range"
    DIVISION_BY_ZERO = "division_by_zero"
    OVERFLOW = "overflow"
    OUT_OF_RANGE = "out_of_range"
    BAD_CONVERSION = "bad_conversion"
    BAD_ARGUMENT = "bad_argument"
    BAD_REGEX = "bad_regex"
    BAD_KEY = "bad_map_key"
    UNKNOWN_NAME = "unknown_name"
    TOO_LARGE = "too_large"


def failure(kind: Failure, message: str) -> EvaluationError:
    """An evaluation error of that kind."""
    return EvaluationError(kind.value, message)


def no_overload(function: str, *args: Any) -> EvaluationError:
    """`function` takes no values of these types; a null among them has a kind of its own."""
    kinds = ", ".join(describe(arg) for arg in args)
    kind = Failure.NULL_OPERAND if any(arg is None for arg in args) else Failure.NO_OVERLOAD
    name = function.strip("_@")
    return failure(kind, f"'{name}' can't be applied to ({kinds})")
