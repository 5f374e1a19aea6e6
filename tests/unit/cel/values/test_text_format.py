"""`format()` at its edges; the conformance data shows the rest."""

from __future__ import annotations

from typing import Any

import pytest

from engine.cel.values.text import format_text, text_of
from engine.cel.values.values import CelMap, CelType, Duration, FailureKind, Timestamp, UInt
from engine.errors import EvaluationError


def failure_of(template: str, *args: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        format_text(template, list(args))
    return caught.value.error_type


def test_clauses_are_filled_in_order() -> None:
    template = "%s|%d|%.1f|%e|%b|%o|%x|%X|%%"
    args = ["é", UInt(7), 2.25, 1, True, 8, "z", 255]
    assert format_text(template, args) == "é|7|2.2|1.000000e+00|1|10|7a|FF|%"


def test_any_value_has_a_text() -> None:
    keys = CelMap()
    keys.add(2, None)
    keys.add(True, [1.0])
    values = [keys, {"b": b"x"}, Timestamp(0), Duration(1), CelType("int"), float("inf"), None]
    assert [text_of(value) for value in values] == [
        "{2: null, true: [1]}", "{b: x}", "1970-01-01T00:00:00Z", "0.000000001s", "int",
        "Infinity", "null",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e6, "1000000"),
        (1e21, "1" + "0" * 21),
        (1e-7, "0.0000001"),
        (-0.0, "-0"),
        (1234567.5, None),
    ],
)
def test_a_double_is_never_written_with_an_exponent(value: float, text: str | None) -> None:
    for template in ("%s", "%d"):
        assert format_text(template, [value]) == (text or repr(value))


def test_entries_of_a_map_are_sorted_by_key_and_not_by_what_follows() -> None:
    assert text_of({"a!": 1, "a": 2, "": 3}) == "{: 3, a: 2, a!: 1}"


def test_bytes_that_are_no_text_are_replaced_each_run_of_them_once() -> None:
    assert text_of(b"a\xff\xfeb\xc3(\xf0\x9f\x9a") == "a\ufffdb\ufffd(\ufffd"


@pytest.mark.parametrize("template", ["%", "%q", "%.2", "a%", "%E", "% d"])
def test_an_unknown_clause_fails(template: str) -> None:
    assert failure_of(template, 1) == FailureKind.BAD_ARGUMENT


def test_a_missing_argument_fails_and_a_spare_one_does_not() -> None:
    assert failure_of("%s %s", 1) == FailureKind.NO_INDEX
    assert format_text("%s", [1, 2]) == "1"


def test_a_value_of_another_kind_fails() -> None:
    for template, value in [("%d", "a"), ("%f", "1"), ("%b", 1.0), ("%x", 1.0), ("%s", object())]:
        assert failure_of(template, value) == FailureKind.BAD_ARGUMENT


def test_the_text_is_bounded() -> None:
    assert failure_of("%s%s%s", *["x" * 500_000] * 3) == FailureKind.TOO_LARGE
    nested: Any = ["x"]
    for _ in range(40):
        nested = [nested, nested]
    assert failure_of("%s", nested) == FailureKind.TOO_LARGE
    assert failure_of("%s", {"a": nested}) == FailureKind.TOO_LARGE


def test_precision_is_bounded() -> None:
    assert failure_of("%.101f", 1.0) == FailureKind.BAD_ARGUMENT
    assert failure_of("%.99999999999999999999f", 1.0) == FailureKind.BAD_ARGUMENT
