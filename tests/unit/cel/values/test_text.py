"""Texts at their edges: the extensions, `format()`, regular expressions."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import evaluate
from engine.cel.values.numbers import MAX_SIZE
from engine.cel.values.text import (
    BadRegexError,
    compile_search,
    decode,
    encode,
    format_text,
    matches,
    text_of,
)
from engine.cel.values.values import CelMap, CelType, Duration, FailureKind, Timestamp, UInt
from engine.errors import EvaluationError
from tests.support.random_cases import examples


def failure_of(expression: str, bindings: dict[str, Any] | None = None) -> str:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, bindings)
    return caught.value.error_type


def format_failure_of(template: str, *args: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        format_text(template, list(args))
    return caught.value.error_type


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'😀é'.charAt(1)", "é"),
        ("'😀é'.charAt(2)", ""),
        ("'😀é'.size()", 2),
        ("'😀aé'.substring(1, 2)", "a"),
        ("'abab'.indexOf('b', 2)", 3),
        ("'abab'.lastIndexOf('b', 2)", 1),
        ("'abab'.lastIndexOf('', 4)", 4),
        ("'aaa'.replace('a', 'b', 2)", "bba"),
        ("'aaa'.replace('a', 'b', -5)", "bbb"),
        ("'aaa'.replace('a', 'b', 0)", "aaa"),
        ("'ab'.replace('', '-')", "-a-b-"),
        ("'a,b,c'.split(',', 2)", ["a", "b,c"]),
        ("'abc'.split('', 2)", ["a", "bc"]),
        ("'abc'.split('')", ["a", "b", "c"]),
        ("''.split(',')", [""]),
        ("'É'.lowerAscii()", "É"),
        ("'ß'.upperAscii()", "ß"),
        ("'\\u001c x \\u3000'.trim()", "\u001c x"),
        ("'é😀'.reverse()", "😀é"),
        ("['a', 'b'].join(', ')", "a, b"),
    ],
)
def test_text_functions_count_code_points(expression: str, value: Any) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    ["'a'.charAt(2)", "'a'.charAt(-1)", "'a'.indexOf('a', 2)", "'a'.lastIndexOf('a', -1)",
     "'abc'.substring(2, 1)", "'abc'.substring(4)", "'abc'.substring(0, 4)"],
)  # fmt: skip
def test_an_index_outside_the_text_fails(expression: str) -> None:
    assert failure_of(expression) == FailureKind.NO_INDEX


def test_only_text_is_joined() -> None:
    assert failure_of("['a', 1].join()") == FailureKind.NO_OVERLOAD


def test_no_function_makes_a_text_without_bound() -> None:
    text = "a" * 2_000
    assert failure_of("x.replace('', x)", {"x": text}) == FailureKind.TOO_LARGE
    assert failure_of("[x, x].join(x)", {"x": "a" * MAX_SIZE}) == FailureKind.TOO_LARGE


@examples(100)
@given(st.binary(max_size=40))
def test_bytes_survive_with_padding_without_it_and_in_lines(data: bytes) -> None:
    text = encode(data)
    assert text == base64.b64encode(data).decode()
    assert decode(text) == data
    assert decode(text.rstrip("=")) == data
    assert decode(" ".join(text) + "\r\n") == data


@pytest.mark.parametrize(
    "text", ["a", "=", "====", "aG=", "aGVsbG8==", "aGVsbG8=aGVs", "aGU.", "-_-_", "é", "aGVsbA\0"]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        decode(text)
    assert caught.value.error_type == "bad_conversion"


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate("base64.encode(data)", {"data": b"x" * 800_000})
    assert caught.value.error_type == "too_large"


def test_text_is_not_encoded_and_bytes_are_not_decoded() -> None:
    for call in ("base64.encode('a')", "base64.decode(b'YQ==')"):
        with pytest.raises(EvaluationError):
            evaluate(call)


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
    assert format_failure_of(template, 1) == FailureKind.BAD_ARGUMENT


def test_a_missing_argument_fails_and_a_spare_one_does_not() -> None:
    assert format_failure_of("%s %s", 1) == FailureKind.NO_INDEX
    assert format_text("%s", [1, 2]) == "1"


def test_a_value_of_another_kind_fails() -> None:
    for template, value in [("%d", "a"), ("%f", "1"), ("%b", 1.0), ("%x", 1.0), ("%s", object())]:
        assert format_failure_of(template, value) == FailureKind.BAD_ARGUMENT


@pytest.mark.slow
def test_the_text_is_bounded() -> None:
    assert format_failure_of("%s%s%s", *["x" * 500_000] * 3) == FailureKind.TOO_LARGE
    nested: Any = ["x"]
    for _ in range(40):
        nested = [nested, nested]
    assert format_failure_of("%s", nested) == FailureKind.TOO_LARGE
    assert format_failure_of("%s", {"a": nested}) == FailureKind.TOO_LARGE


def test_precision_is_bounded() -> None:
    assert format_failure_of("%.101f", 1.0) == FailureKind.BAD_ARGUMENT
    assert format_failure_of("%.99999999999999999999f", 1.0) == FailureKind.BAD_ARGUMENT


def test_a_pattern_is_searched_for_anywhere() -> None:
    search = compile_search("b+ñ")
    assert search("aabbñ")
    assert not search("aab")
    assert matches("abc", "^b|c$")


def test_ignoring_case_is_unicode_wide() -> None:
    assert compile_search("(?i)köln")("KÖLN")


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("(?=a)", "lookahead"),
        ("(?!a)", "lookahead"),
        ("(?<=a)b", "lookbehind"),
        ("(?<!a)b", "lookbehind"),
        (r"(a)\1", "back-references"),
        ("(?>a)", "atomic group"),
        ("(", "missing )"),
        ("[", "missing ]"),
        ("a{1001}", "repetition"),
        ("\ud800", "not a regular expression"),
    ],
)
def test_what_re2_does_not_take_is_named(pattern: str, named: str) -> None:
    with pytest.raises(BadRegexError, match=named.replace("(", r"\(").replace(")", r"\)")):
        compile_search(pattern)


def test_a_pattern_that_is_bad_only_now_is_an_evaluation_failure() -> None:
    with pytest.raises(EvaluationError) as caught:
        matches("a", "(")
    assert caught.value.error_type == FailureKind.BAD_REGEX
    with pytest.raises(EvaluationError) as caught:
        matches("\ud800", "a")
    assert caught.value.error_type == FailureKind.BAD_ARGUMENT


def test_no_pattern_can_hang() -> None:
    assert not compile_search("(a*)*b")("a" * 5_000)
