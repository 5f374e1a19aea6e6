"""Google's C++ type checker over the event's fields: would it take a condition?

Records are unknown to it without a protobuf descriptor, so each field is a variable of its own; one
that may be absent is dynamic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from engine.schema import FieldType, Kind
from tests.support.avro import plate_schema

cel = pytest.importorskip(
    "cel_expr_python.cel", reason="cel-expr-python has no wheel for this platform"
)
ext_strings = pytest.importorskip("cel_expr_python.ext.ext_strings")
ext_math = pytest.importorskip("cel_expr_python.ext.ext_math")
ext_bindings = pytest.importorskip("cel_expr_python.ext.ext_bindings")

_TYPES = {
    Kind.STRING: cel.Type.STRING,
    Kind.INT: cel.Type.INT,
    Kind.DOUBLE: cel.Type.DOUBLE,
    Kind.TIMESTAMP: cel.Type.TIMESTAMP,
}
#: Numbers of different kinds compare in our language, and in the reference's run time.
_NUMBERS = r"(int|uint|double)"
_TAKEN = re.compile(
    rf"'_(==|!=|<|<=|>|>=)_' applied to '\({_NUMBERS}, {_NUMBERS}\)'"
    rf"|'@in' applied to '\({_NUMBERS}, (list|map)\({_NUMBERS}.*\)\)'"
    # `!= null` is a guard, if one too many; a choice may be null; lists of two types are dynamic.
    r"|'_!=_' applied to '\(.*null_type.*\)'"
    r"|'_\?_:_' applied to '\(bool, (null_type, \w+|\w+, null_type)\)'"
    r"|'_\+_' applied to '\(list\(.*\), list\(.*\)\)'"
    # Any whole number is an index, of whatever type.
    r"|'_\[_\]' applied to '\(list\(.*\), (uint|double)\)'"
)


def _fields(prefix: str, fields: Mapping[str, FieldType]) -> Iterator[tuple[str, FieldType]]:
    for name, kind in fields.items():
        if kind.kind is Kind.RECORD:
            yield from _fields(f"{prefix}{name}.", kind.fields)
        else:
            yield f"{prefix}{name}", kind


FIELDS = dict(_fields("", plate_schema().variables))
_FLAT = {name: name.replace(".", "__") for name in FIELDS}
_PATH = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in sorted(FIELDS, reverse=True)))


def _environment() -> Any:
    text, truth = cel.Type.STRING, cel.Type.BOOL
    lower = [
        cel.Overload(f"lower_{form}", text, [text], is_member=form == "method", impl=str.lower)
        for form in ("function", "method")
    ]
    number = cel.Overload("is_number", truth, [text], is_member=False, impl=str.isdecimal)
    return cel.NewEnv(
        variables={
            _FLAT[name]: cel.Type.DYN if kind.nullable else _TYPES[kind.kind]
            for name, kind in FIELDS.items()
        },
        extensions=[ext_strings.ExtStrings(), ext_math.ExtMath(), ext_bindings.ExtBindings()],
        functions=[cel.FunctionDecl("lower", lower), cel.FunctionDecl("isNumber", [number])],
    )


_ENVIRONMENT = _environment()


def refusal(expression: str) -> str:
    """Why Google's checker refuses a condition; empty where it takes it, or ours has more."""
    try:
        _ENVIRONMENT.compile(_PATH.sub(lambda path: _FLAT[path[0]], expression))
    except Exception as error:  # whatever the binding raises
        told = [line for line in str(error).splitlines() if "ERROR:" in line]
        return "\n".join(line for line in told if not _TAKEN.search(line))
    return ""
