"""What is written where types don't go together."""

from __future__ import annotations

import pytest

from engine.cel import compile_expression
from engine.errors import ExpressionError
from tests.unit.cel.plate_variables import VARIABLES


def remedies_of(text: str) -> list[str]:
    """The remedies of all problems of an expression."""
    try:
        problems = compile_expression(text, VARIABLES).warnings
    except ExpressionError as error:
        problems = error.problems
    return [each.remedy for each in problems]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("plate.confidence > '0.8'", "write 0.8 without quotes"),
        ("camera_id == 5", 'write "5" in quotes'),
        ("camera_id > 5", "convert one of them, double(x) for instance"),
        ("camera_id + latency_ms == 'a'", "make a text of the number: string(x)"),
        ("is_test == 'true'", "write true or false without quotes"),
        ("is_test == 1", "true and false compare with true and false only"),
        ("latency_ms + 1.5 > 2.0", "convert one of them: double(x)"),
        ("plate.confidence * 2 > 1.0", "write 2.0"),
        ("time > '2025-12-25T16:00:00Z'", "read the text as a time"),
        ("time - time > 60", 'write a span as duration("90s")'),
        ("time + 60 > time", 'write a span as duration("90s"), a time as timestamp("…")'),
        ("time - time > '1h'", 'read the text as a span: duration("90m")'),
        ("time > duration('1h')", "subtract a time from a time to get a span"),
        ("vehicle == 'Ford'", "name one of its fields: vehicle.make, vehicle.color"),
        ("camera_id == ['a']", "write x in [a, b], or compare one element: list[0]"),
        ("type(camera_id) == 'string'", "a type has no quotes: type(x) == string"),
        ("b'a' == camera_id", "a text has no b before its quotes"),
        ("is_test ? 1 : 'a'", 'write "1" in quotes'),
        ("is_test ? latency_ms : 'a'", "make a text of the number: string(x)"),
        ("is_test ? 1 : 0.5", "write 1.0"),
        ("0.3 < plate.confidence < 0.7", "write 0.3 < plate.confidence && plate.confidence < 0.7"),
        ("'A' in 'ABC'", 'write in ["ABC"]'),
        ("'A' in camera_id", "write text.contains(part)"),
        ("camera_id.contains(7)", 'write "7" in quotes'),
        ("camera_id.contains(latency_ms)", "convert it: string(x)"),
        ("camera_id && true", 'compare it with something, x == "…" for instance'),
        ("vehicle.make && true", "compare it with something, x != null for instance"),
        ("null && true", "write false, or compare a field with null"),
        ("!camera_id == 'a'", "put brackets around what is denied: !(…), or write !="),
        ("-camera_id == 'a'", "it takes an int or a double"),
        ("-uint(latency_ms) == 1u", "convert it: int(x)"),
        ("'plate.text' == 'A'", "a field's name has no quotes: plate.text"),
        ("latency_ms == 1.5", "compare by < or >, or with a whole number"),
        ("camera_id in []", "write values into it"),
        ("plate == vehicle", "name one of its fields: plate.text"),
        ("camera_id == null", 'an empty text is == ""'),
        ("latency_ms == null", "remove the comparison"),
    ],
)
def test_what_to_write_is_told(text: str, remedy: str) -> None:
    (found,) = remedies_of(text)
    assert remedy in found


_OPERANDS = [
    "camera_id", "latency_ms", "plate.confidence", "is_test", "tags", "labels", "plate", "time",
    "vehicle.make", "extras", "null", "'a'", "1", "1u", "1.5", "true", "b'a'", "[1]", "['a']",
    "{'a': 1}", "duration('1h')", "type(1)", "dyn(1)", "[]", "{}",
]  # fmt: skip
_SIGNS = ["+", "-", "*", "/", "%", "<", ">=", "==", "!=", "in", "&&", "||"]


@pytest.mark.parametrize("sign", _SIGNS)
def test_no_two_operands_are_refused_without_a_remedy(sign: str) -> None:
    for left in _OPERANDS:
        for right in _OPERANDS:
            text = f"{left} {sign} {right}"
            assert all(remedies_of(text)), text


def test_no_call_index_or_macro_is_refused_without_a_remedy() -> None:
    forms = [
        "!{0}", "-{0}", "{0}[0]", "{0}['a']", "{0}.a", "{0}.size()", "size({0})", "{0}.lower()",
        "{0}.contains('a')", "'a'.contains({0})", "{0}.getHours()", "time.getHours({0})",
        "int({0})", "timestamp({0})", "duration({0})", "{0}.all(x, x)", "{0}.map(x, -x)",
        "{0} ? 1 : 2", "is_test ? {0} : 'a'", "{{1: {0}}}", "{{{0}: 1}}", "{0}.join()", "{0}()",
        "[{0}, 1][0] + 1", "{0}.split(',')", "'%s'.format({0})", "math.greatest({0})", "f({0})",
    ]  # fmt: skip
    for form in forms:
        for operand in _OPERANDS:
            text = form.format(operand)
            assert all(remedies_of(text)), text
