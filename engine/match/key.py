"""What look-ups ask of an event: a field, a field in lower case, or any other part of a condition.

A key is read once an event, however many rules ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from engine.cel import Expression
from engine.cel.failures import Failure
from engine.errors import EvaluationError


class _Marker:
    __slots__ = ()


#: The key could not be had, by a conversion that failed.
FAILED: Final = _Marker()
#: The key could not be had in any other way, or is of a type that the schema does not give it.
ODD: Final = _Marker()

#: A key's value: None where the field is null or a function was given null, or FAILED, or ODD.
Reader = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One thing that is looked up.

    `path` is the field that it is a function of, where null in that field makes the key null;
    `can_fail`: it may be FAILED. `is_number`: else it is a number, or ODD.
    `number_of` is the text of x in a key `double(x)`, `is_number_of` that in `isNumber(x)`.
    `weight` is what reading it costs, in evaluations of a rule.
    """

    text: str
    read: Reader = field(repr=False)
    weight: float
    is_nullable: bool
    can_fail: bool = False
    is_number: bool = False
    path: str = ""
    number_of: str = ""
    is_number_of: str = ""


def top_reader(name: str, kind: type, *, is_nullable: bool) -> Reader:
    """Reads a variable of that Python type."""
    absent = None if is_nullable else ODD

    def top(bindings: dict[str, Any]) -> Any:
        value = bindings.get(name, ODD)
        return value if type(value) is kind else absent if value is None else ODD

    return top


def field_reader(
    record: str, name: str, kind: type, *, is_nullable: bool, is_record_nullable: bool
) -> Reader:
    """Reads a field of that Python type of a record; an absent record's fields are null."""
    absent = None if is_nullable else ODD

    def inner(bindings: dict[str, Any]) -> Any:
        try:
            value = bindings[record][name]
        except (KeyError, TypeError):
            is_absent = is_record_nullable and bindings.get(record, ODD) is None
            return None if is_absent else ODD
        return value if type(value) is kind else absent if value is None else ODD

    return inner


def lower_reader(text: Reader) -> Reader:
    """Reads a text in lower case, as `lower()` makes it."""

    def lower(bindings: dict[str, Any]) -> Any:
        value = text(bindings)
        return value.lower() if type(value) is str else value

    return lower


def folded_reader(text: Reader) -> Reader:
    """Reads a text so that letters which RE2 holds equal when it ignores case are the same."""

    def folded(bindings: dict[str, Any]) -> Any:
        value = text(bindings)
        return fold(value) if type(value) is str else _no_text(value)

    return folded


def whole_reader(text: Reader) -> Reader:
    """Reads a text that has an encoding: RE2 fails on others."""

    def whole(bindings: dict[str, Any]) -> Any:
        value = text(bindings)
        if type(value) is not str:
            return _no_text(value)
        return value if is_whole(value) else ODD

    return whole


def _no_text(value: Any) -> Any:
    return value if value is None or value is FAILED else ODD


def truth_reader(condition: Reader) -> Reader:
    """Reads what must be true or false: anything else makes a condition fail."""

    def truth(bindings: dict[str, Any]) -> Any:
        value = condition(bindings)
        return value if type(value) is bool or value is None or value is FAILED else ODD

    return truth


def fold(text: str) -> Any:
    """The text as RE2 sees it when it ignores the case of A to Z; ODD where RE2 fails on it."""
    if text.isascii():
        return text.lower()
    # To RE2, which folds character by character, the long s is an s; to lower() it is itself.
    return text.lower().replace("ſ", "s") if is_whole(text) else ODD


def is_whole(text: str) -> bool:
    """Whether the text has no half of a surrogate pair."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def expression_reader(expression: Expression) -> Reader:
    """Reads whatever an expression gives."""

    def compute(bindings: dict[str, Any]) -> Any:
        try:
            return expression.run(bindings)
        except EvaluationError as error:
            if error.error_type == Failure.NULL_OPERAND:
                return None
            return FAILED if error.error_type == Failure.BAD_CONVERSION else ODD

    return compute
