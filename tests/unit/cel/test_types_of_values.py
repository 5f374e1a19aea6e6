"""Random expressions: a value is always of the type that the check deduced for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from engine.cel.check.check import check
from engine.cel.expression import compile_expression
from engine.cel.syntax.parser import parse
from engine.cel.types.scope import Scope
from engine.cel.values.values import CelMap, CelType, UInt
from engine.errors import EvaluationError, ExpressionError, Severity
from engine.schema import FieldType, Kind
from tests.support.random_cases import examples
from tests.unit.cel.plate_variables import VARIABLES
from tests.unit.cel.typed_expressions import (
    CONDITIONS,
    DURATIONS,
    EVENTS,
    INTS,
    STRINGS,
    TIMES,
    VALUES,
    filled,
    one_of,
)

PYTHON: Final[dict[Kind, tuple[type, ...]]] = {
    Kind.STRING: (str,),
    Kind.INT: (int,),
    Kind.UINT: (UInt,),
    Kind.DOUBLE: (float,),
    Kind.BOOL: (bool,),
    Kind.BYTES: (bytes,),
    Kind.TIMESTAMP: (datetime,),
    Kind.DURATION: (timedelta,),
    Kind.TYPE: (CelType,),
    Kind.LIST: (list,),
    Kind.MAP: (dict, CelMap),
    Kind.RECORD: (dict,),
}
NULLABLE: Final = one_of(["vehicle.make", "plate.region", "extras.direction", "null"])
#: What the other strategies make no values of: lists, maps, types, what may be null.
PARTS: Final = st.one_of(
    filled("[{0}, {1}]", st.one_of(STRINGS, INTS), st.one_of(STRINGS, NULLABLE)),
    filled("[[], [{0}]]", STRINGS),
    filled("([] + [{0}])", INTS),
    filled("{{'a': {0}, 'b': {1}}}", INTS, st.one_of(INTS, NULLABLE)),
    filled("{{'a': {0}}}['a']", NULLABLE),
    filled("{0}.split({1})", STRINGS, STRINGS),
    filled("tags.map(t, t + {0})", STRINGS),
    filled("[{0}, 'x'].filter(t, t != null)", NULLABLE),
    filled("[{0}, 'x'].map(t, t != null, size(t))", NULLABLE),
    filled(
        "labels.map(k, labels[k])",
    ),
    filled("({0} ? {1} : {2})", CONDITIONS, STRINGS, NULLABLE),
    filled("({0} != null ? {0} : {1})", NULLABLE, STRINGS),
    filled("({0} ? [] : [{1}])", CONDITIONS, INTS),
    filled("({0} ? [{1}] : [{2}])", CONDITIONS, INTS, STRINGS),
    filled("type({0})", st.one_of(STRINGS, INTS, NULLABLE)),
    filled("uint({0})", INTS),
    filled("bytes({0})", STRINGS),
    filled("dyn({0})", STRINGS),
    filled("({0} - {1})", TIMES, TIMES),
    filled("({0} + {1})", DURATIONS, DURATIONS),
    one_of(["extras", "plate", "tags", "labels", "extras.lane", "extras.seen"]),
    filled("(extras != null ? {0} : {1})", one_of(["extras.lane", "1"]), INTS),
)


def fits(value: Any, kind: FieldType | None) -> bool:
    """Whether a value is of the type, and so are all its parts."""
    if kind is None:
        return True
    if value is None:
        return kind.nullable
    if type(value) not in PYTHON[kind.kind]:
        return False
    if kind.kind is Kind.LIST:
        return all(fits(item, kind.element) for item in value)
    if kind.kind is Kind.MAP:
        return all(fits(key, kind.key) and fits(item, kind.element) for key, item in value.items())
    if kind.kind is Kind.RECORD:
        return all(fits(value[name], field) for name, field in kind.fields.items())
    return True


def assert_typed(text: str, values: dict[str, Any]) -> None:
    problems = check(parse(text), Scope(VARIABLES)).problems
    errors = {each.code for each in problems if each.severity is Severity.ERROR}
    # A constant part may fail for certain; the types are right.
    assert errors <= {"always-fails", "bad-constant"}
    try:
        expression = compile_expression(text, VARIABLES)
        value = expression.evaluate(values)
    except (ExpressionError, EvaluationError):
        return
    assert fits(value, expression.type), (value, expression.type)


@examples(300)
@given(VALUES, EVENTS)
def test_a_value_is_of_the_type_that_was_deduced(text: str, values: dict[str, Any]) -> None:
    assert_typed(text, values)


@examples(300)
@given(PARTS, EVENTS)
def test_lists_maps_and_what_may_be_null_are_of_their_types(
    text: str, values: dict[str, Any]
) -> None:
    assert_typed(text, values)
