"""Equality, ordering and membership between CEL values of any two types.

Numbers of different types are compared by value. An integer and a double are compared as doubles,
as the conformance data asks for beyond 2^53.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, Final

from engine.cel.values.values import MISSING, CelMap, Duration, Timestamp, UInt, no_overload

NUMBERS: Final = frozenset({int, UInt, float})
_MAPS: Final = frozenset({dict, CelMap})
_ORDERED: Final = frozenset({int, UInt, float, str, bytes, bool, Timestamp, Duration})
#: An integer whose absolute value is below this has an exact double.
EXACT_LIMIT: Final = 2**53


def equal(left: Any, right: Any) -> bool:
    """`left == right`: values of different types are unequal; it raises no error."""
    kind = type(left)
    other = type(right)
    if kind is other:
        if kind is list:
            return len(left) == len(right) and all(map(equal, left, right))
        if kind is dict or kind is CelMap:
            return _maps_equal(left, right)
        return bool(left == right)
    if kind in NUMBERS and other in NUMBERS:
        if kind is float or other is float:
            return float(left) == float(right)
        return bool(left == right)
    if kind in _MAPS and other in _MAPS:
        return _maps_equal(left, right)
    return False


def _maps_equal(left: Any, right: Any) -> bool:
    if len(left) != len(right):
        return False
    for key, value in left.items():
        other = look_up(right, key, MISSING)
        if other is MISSING or not equal(value, other):
            return False
    return True


def look_up(container: Any, key: Any, default: Any) -> Any:
    """The value at `key` of a map, which is a dict or a `CelMap`; `default` where it has none."""
    if type(container) is dict:
        return container.get(key, default) if type(key) is str else default
    return container.get(key, default)


def _ordering(sign: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(left: Any, right: Any) -> bool:
        kind = type(left)
        other = type(right)
        if kind is other:
            if kind in _ORDERED:
                return compare(left, right)
        elif kind in NUMBERS and other in NUMBERS:
            if kind is float or other is float:
                return compare(float(left), float(right))
            return compare(left, right)
        raise no_overload(sign, left, right)

    return ordered


#: `<`, `<=`, `>` and `>=` by CEL's function names; EvaluationError for types without an order.
ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "_<_": _ordering("_<_", operator.lt),
    "_<=_": _ordering("_<=_", operator.le),
    "_>_": _ordering("_>_", operator.gt),
    "_>=_": _ordering("_>=_", operator.ge),
}


def not_equal(left: Any, right: Any) -> bool:
    """`left != right`."""
    return not equal(left, right)


def contains(item: Any, container: Any) -> bool:
    """`item in container`: whether a list has an equal element, or a map the key.

    EvaluationError where the container is neither.
    """
    kind = type(container)
    if kind is list:
        return any(equal(item, element) for element in container)
    if kind in _MAPS:
        return look_up(container, item, MISSING) is not MISSING
    raise no_overload("@in", item, container)


def constant_membership(values: Iterable[Any]) -> Callable[[Any], bool]:
    """Returns `contains` for this constant list: a hash lookup for texts and most numbers."""
    texts: set[str] = set()
    numbers: set[Any] = set()
    others: list[Any] = []
    for value in values:
        if type(value) is str:
            texts.add(value)
        elif type(value) in NUMBERS and -EXACT_LIMIT < value < EXACT_LIMIT:
            numbers.add(value)
        else:
            others.append(value)
    frozen_texts = frozenset(texts)
    if not numbers and not others:
        return lambda item: type(item) is str and item in frozen_texts
    frozen_numbers = frozenset(numbers)

    def probe(item: Any) -> bool:
        kind = type(item)
        if kind is str:
            return item in frozen_texts
        if kind in NUMBERS and item in frozen_numbers:
            return True
        return any(equal(item, other) for other in others)

    return probe
