"""Operators and logic as fragments of Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from engine.cel.lower.fragments import (
    Form,
    Fragment,
    cel_value,
    constant,
    element,
    plain,
    strict,
    truth,
)
from engine.cel.syntax import tree
from engine.cel.values.numbers import OPERATIONS, negate
from engine.cel.values.values import (
    EXACT_LIMIT,
    ORDERINGS,
    Duration,
    Timestamp,
    UInt,
    constant_membership,
    to_datetime,
)
from engine.schema import Kind

_SIGNS: Final = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_NUMBERS: Final = frozenset({int, UInt, float})
#: Types that Python compares as CEL does, each with itself.
_PLAIN: Final = frozenset({int, UInt, float, str, bytes, bool})
_FLIPPED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}


def binary(function: str, left: Fragment, right: Fragment) -> Fragment:
    """A binary operator other than `&&` and `||`."""
    if function in (tree.EQUALS, tree.NOT_EQUALS):
        return _equality(left, right, is_equal=function == tree.EQUALS)
    if function == tree.IN:
        return _membership(left, right)
    if function == tree.INDEX:
        return _index(left, right)
    if function in tree.ORDERINGS:
        return _ordering(function, left, right)
    return _arithmetic(function, left, right)


def _is_exact(constant: Fragment) -> bool:
    """Whether a number is the same as an int and as a double."""
    return constant.is_constant and -EXACT_LIMIT < constant.value < EXACT_LIMIT


def _compares_plainly(left: Fragment, right: Fragment) -> bool:
    """Whether Python compares the two as CEL does, nulls aside."""
    if left.kind is right.kind:
        return left.kind in _PLAIN
    if left.kind not in _NUMBERS or right.kind not in _NUMBERS:
        return False
    # An integer against a double is compared as a double, which loses digits beyond 2^53.
    return float not in (left.kind, right.kind) or _is_exact(left) or _is_exact(right)


def _equality(left: Fragment, right: Fragment, *, is_equal: bool) -> Fragment:
    if left.is_constant:
        left, right = right, left
    sign, word = ("==", "is") if is_equal else ("!=", "is not")
    kind = right.kind if right.is_constant else None
    if kind is bool or kind is type(None):
        return plain(f"({{0}} {word} {{1}})", left, right, kind=bool)
    # A text of Python equals only the same text, whatever the other side is.
    if kind is str or _compares_plainly(left, right):
        return plain(f"({{0}} {sign} {{1}})", left, right, kind=bool)
    name = "equal" if is_equal else "not_equal"
    return plain(f"{name}({{0}}, {{1}})", cel_value(left), cel_value(right), kind=bool)


def _ordering(function: str, left: Fragment, right: Fragment) -> Fragment:
    if left.is_constant:
        left, right, function = right, left, _FLIPPED[function]
    sign = _SIGNS[function]
    if _compares_plainly(left, right):
        return strict(f"({{0}} {sign} {{1}})", left, right, kind=bool)
    if left.kind is datetime and right.kind is datetime:
        return strict(f"({{0}} {sign} {{1}})", left, right, kind=bool)
    is_instant = right.is_constant and right.kind is Timestamp
    if left.kind is datetime and is_instant and right.value.nanoseconds % 1_000 == 0:
        moment = constant(to_datetime(right.value))
        return strict(f"({{0}} {sign} {{1}})", left, moment, kind=bool)
    left, right = cel_value(left), cel_value(right)
    is_ordered = left.kind is right.kind and left.kind in (Timestamp, Duration)
    is_number = left.kind in _NUMBERS and right.kind in _NUMBERS
    compare = constant(ORDERINGS[function])
    fails = not (is_ordered or is_number) or left.fails_on_null or right.fails_on_null
    return plain("{0}({1}, {2})", compare, left, right, kind=bool, can_fail=fails)


def _membership(item: Fragment, container: Fragment) -> Fragment:
    if container.is_constant and type(container.value) is list:
        return _in_constants(item, container.value)
    field = container.field
    if field is not None and item.kind is str:
        within = field.element
        is_text = within is not None and within.kind is Kind.STRING
        if field.kind is Kind.MAP or (field.kind is Kind.LIST and is_text):
            return strict("({0} in {1})", item, container, kind=bool)
    fails = container.fails_on_null or container.kind not in (list, dict)
    return plain(
        "contains({0}, {1})", cel_value(item), cel_value(container), kind=bool, can_fail=fails
    )


def _in_constants(item: Fragment, values: list[Any]) -> Fragment:
    kind = item.kind
    fitting: list[Any] | None = None
    if kind in (str, bytes, bool):
        fitting = [value for value in values if type(value) is kind]
    elif kind in _NUMBERS:
        fitting = [value for value in values if type(value) in _NUMBERS]
        if not all(-EXACT_LIMIT < value < EXACT_LIMIT for value in fitting):
            fitting = None
    if fitting is None:
        probe = constant(constant_membership(values))
        return plain("{0}({1})", probe, cel_value(item), kind=bool)
    if item.is_nullable and any(value is None for value in values):
        fitting.append(None)
    return plain("({0} in {1})", item, constant(frozenset(fitting)), kind=bool)


def _index(container: Fragment, key: Fragment) -> Fragment:
    container, key = cel_value(container), cel_value(key)
    field = container.field
    template = "element({0}, {1})"
    if field is not None and key.is_constant:
        is_text = field.kind is Kind.MAP and key.kind is str
        is_place = field.kind is Kind.LIST and key.kind is int and key.value >= 0
        if is_text or is_place:
            template = "{0}[{1}]"
    found = plain(template, container, key, can_fail=True)
    is_container = field is not None and field.kind in (Kind.LIST, Kind.MAP)
    return element(found, field) if is_container else found


_RESULTS: Final[dict[tuple[str, type | None, type | None], type]] = {
    ("_-_", Timestamp, Timestamp): Duration,
    ("_-_", Timestamp, Duration): Timestamp,
    ("_+_", Timestamp, Duration): Timestamp,
    ("_+_", Duration, Timestamp): Timestamp,
}
_INT_TEMPLATES: Final = {
    "_+_": "int64({0} + {1})",
    "_-_": "int64({0} - {1})",
    "_*_": "int64({0} * {1})",
}
_DOUBLE_TEMPLATES: Final = {
    "_+_": "({0} + {1})",
    "_-_": "({0} - {1})",
    "_*_": "({0} * {1})",
    "_/_": "({0} / {1})",
}


def _arithmetic(function: str, left: Fragment, right: Fragment) -> Fragment:
    left, right = cel_value(left), cel_value(right)
    kind = left.kind if left.kind is right.kind else None
    template: str | None = None
    if kind is int:
        template = _INT_TEMPLATES.get(function)
    elif kind is float:
        template = _DOUBLE_TEMPLATES.get(function)
    elif kind in (str, bytes, list) and function == "_+_":
        template = "joined({0}, {1})"
    # A sum of doubles fails on null only; others may overflow, or divide by zero.
    is_steady = kind is float and function != "_/_"
    if template is not None:
        if is_steady:
            return strict(template, left, right, kind=kind)
        return plain(template, left, right, kind=kind, can_fail=True)
    operation: Callable[[Any, Any], Any] = OPERATIONS[function]
    known = frozenset({int, float, UInt, Duration})
    result = kind if kind in known else _RESULTS.get((function, left.kind, right.kind))
    return plain("{0}({1}, {2})", constant(operation), left, right, kind=result, can_fail=True)


def negated(operand: Fragment) -> Fragment:
    """`-a`."""
    if operand.kind is float:
        return strict("(-{0})", operand, kind=float)
    result = int if operand.kind is int else None
    return plain("{0}({1})", constant(negate), cel_value(operand), kind=result, can_fail=True)


def all_of(operands: Sequence[Fragment]) -> Fragment:
    """`a && b && …`."""
    return _chain(operands, Form.ALL, decisive=False)


def any_of(operands: Sequence[Fragment]) -> Fragment:
    """`a || b || …`."""
    return _chain(operands, Form.ANY, decisive=True)


def _chain(operands: Sequence[Fragment], form: Form, *, decisive: bool) -> Fragment:
    steady: list[Fragment] = []
    failing: list[Fragment] = []
    for operand in operands:
        if operand.is_constant and type(operand.value) is bool:
            if operand.value is decisive:
                return operand
            continue
        inner = operand.parts if operand.form is form else (operand,)
        for part in inner:
            (failing if part.can_fail else steady).append(part)
    parts = (*steady, *failing)
    if not parts:
        return constant(not decisive)
    if len(parts) == 1:
        return parts[0]
    return Fragment(
        form,
        parts=parts,
        kind=bool,
        can_fail=bool(failing),
        depth=1 + max(part.depth for part in parts),
        rounds=sum(part.rounds for part in parts),
    )


def opposite(operand: Fragment) -> Fragment:
    """`!a`."""
    if operand.is_constant and type(operand.value) is bool:
        return constant(not operand.value)
    return plain("(not {0})", truth(operand), kind=bool)


def choice(condition: Fragment, first: Fragment, second: Fragment) -> Fragment:
    """`condition ? first : second`."""
    if condition.is_constant:
        return first if condition.value else second
    if first.kind is not second.kind and datetime in (first.kind, second.kind):
        first, second = cel_value(first), cel_value(second)
    kind = first.kind if first.kind is second.kind else None
    if first.kind is type(None):
        kind = second.kind
    elif second.kind is type(None):
        kind = first.kind
    parts = (condition, first, second)
    return Fragment(
        Form.CHOICE,
        parts=parts,
        kind=kind,
        is_nullable=kind is None or first.is_nullable or second.is_nullable,
        field=first.field if first.field == second.field else None,
        can_fail=any(part.can_fail for part in parts),
        depth=1 + max(part.depth for part in parts),
        rounds=sum(part.rounds for part in parts),
    )
