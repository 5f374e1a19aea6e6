"""Evaluation failures and their kinds."""

from __future__ import annotations

from engine.cel.values.values import FailureKind, UInt, failure, no_overload


def test_a_failure_carries_its_kind_as_the_error_type() -> None:
    error = failure(FailureKind.NO_KEY, "no such key: 'a'")
    assert (error.error_type, str(error)) == ("no_such_key", "no such key: 'a'")


def test_a_missing_overload_names_the_operator_and_the_types() -> None:
    error = no_overload("_+_", UInt(1), "a")
    assert error.error_type == FailureKind.NO_OVERLOAD
    assert str(error) == "'+' can't be applied to (uint, string)"


def test_a_null_operand_has_a_kind_of_its_own() -> None:
    assert no_overload("contains", None, "a").error_type == FailureKind.NULL_OPERAND
