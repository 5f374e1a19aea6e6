"""CEL's values as Python values, the conversions from and to plain Python, and how values compare.

bool, int, float, str, bytes, None, list and dict stand for themselves. CEL's other types have
classes here: `UInt`, `Timestamp`, `Duration`, `CelType`, and `CelMap` for maps that a dict of
strings can't hold. Evaluation errors have their kinds here too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final

from engine.errors import EvaluationError

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
UINT_MAX: Final = 2**64 - 1
NANOSECONDS: Final = 1_000_000_000
#: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z, in nanoseconds since the epoch.
TIMESTAMP_MIN: Final = -62_135_596_800 * NANOSECONDS
TIMESTAMP_MAX: Final = 253_402_300_800 * NANOSECONDS - 1
#: CEL keeps durations in an int64 of nanoseconds (about 292 years).
DURATION_MIN: Final = INT_MIN
DURATION_MAX: Final = INT_MAX
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class UInt(int):
    """An unsigned 64-bit integer."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """An instant: nanoseconds since 1970-01-01T00:00:00Z."""

    nanoseconds: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in nanoseconds."""

    nanoseconds: int


@dataclass(frozen=True, slots=True)
class CelType:
    """A type as a value: what `type(x)` gives."""

    name: str


class CelMap:
    """A map whose keys are not all strings; it keeps the keys and their order as given."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[object, tuple[Any, Any]] = {}

    def add(self, key: Any, value: Any) -> bool:
        """Add an entry; returns False, and changes nothing, when the key exists already."""
        marked = _marked(key)
        if marked in self._entries:
            return False
        self._entries[marked] = (key, value)
        return True

    def get(self, key: Any, default: Any) -> Any:
        """The value at `key`, or `default`; equal numbers of any kind are the same key."""
        try:
            return self._entries[_marked(key)][1]
        except (KeyError, TypeError):
            return default

    def __iter__(self) -> Iterator[Any]:
        """The keys as they were given, in order."""
        return (key for key, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Keys and values in the order of insertion."""
        return iter(self._entries.values())


class _Sentinel:
    __slots__ = ()


_TRUE: Final = _Sentinel()
_FALSE: Final = _Sentinel()


def _marked(key: Any) -> object:
    # True and 1 are one key of a Python dict, and two keys of a CEL map.
    if key is True:
        return _TRUE
    if key is False:
        return _FALSE
    return key


#: Stands for "no value", where None would be CEL's null.
MISSING: Final = _Sentinel()
_TYPES: Final[dict[type, CelType]] = {
    bool: CelType("bool"),
    int: CelType("int"),
    UInt: CelType("uint"),
    float: CelType("double"),
    str: CelType("string"),
    bytes: CelType("bytes"),
    type(None): CelType("null_type"),
    list: CelType("list"),
    dict: CelType("map"),
    CelMap: CelType("map"),
    Timestamp: CelType("google.protobuf.Timestamp"),
    Duration: CelType("google.protobuf.Duration"),
    CelType: CelType("type"),
}
#: The types by the names that expressions write, unless a variable has that name.
TYPE_NAMES: Final[Mapping[str, CelType]] = {kind.name: kind for kind in _TYPES.values()}


def type_of(value: Any) -> CelType:
    """The CEL type of a value."""
    return _TYPES.get(type(value)) or CelType(type(value).__name__)


def describe(value: Any) -> str:
    """The short name of a value's type, as messages write it: "int", "timestamp", "null"."""
    return type_of(value).name.rpartition(".")[2].lower().replace("null_type", "null")


def to_timestamp(moment: datetime) -> Timestamp:
    """A timezone-aware datetime as a timestamp, exact to the microsecond."""
    delta = moment - _EPOCH
    return Timestamp(
        (delta.days * 86_400 + delta.seconds) * NANOSECONDS + delta.microseconds * 1_000
    )


def to_datetime(value: Timestamp, zone: tzinfo = UTC) -> datetime:
    """A timestamp as a datetime in `zone`, truncated to microseconds.

    OverflowError where the local time leaves the years 1 to 9999.
    """
    moment = _EPOCH + timedelta(microseconds=value.nanoseconds // 1_000)
    return moment if zone is UTC else moment.astimezone(zone)


def from_python(value: Any) -> Any:
    """A plain Python value as a CEL value; TypeError for a type or a range that CEL lacks."""
    kind = type(value)
    if kind in _TYPES and kind not in (list, dict, int):
        return value
    if kind is int:
        if not INT_MIN <= value <= INT_MAX:
            raise TypeError(f"{value} does not fit a 64-bit integer")
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a datetime must have a time zone")
        instant = to_timestamp(value)
        if not TIMESTAMP_MIN <= instant.nanoseconds <= TIMESTAMP_MAX:
            raise TypeError("a datetime must lie in the years 0001 to 9999 of UTC")
        return instant
    if isinstance(value, timedelta):
        microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
        if not DURATION_MIN <= microseconds * 1_000 <= DURATION_MAX:
            raise TypeError("a timedelta must be shorter than 292 years")
        return Duration(microseconds * 1_000)
    if isinstance(value, Mapping):
        return _map_from_python(value)
    if isinstance(value, list | tuple):
        return [from_python(item) for item in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return from_python(int(value))
    raise TypeError(f"a value of type {kind.__name__} has no CEL type")


def _map_from_python(value: Mapping[Any, Any]) -> Any:
    if all(type(key) is str for key in value):
        return {key: from_python(item) for key, item in value.items()}
    result = CelMap()
    for key, item in value.items():
        if type(key) not in (str, int, bool, UInt):
            raise TypeError(f"a map's key can't be of type {type(key).__name__}")
        result.add(key, from_python(item))
    return result


def to_python(value: Any) -> Any:
    """A CEL value as a plain Python value: timestamps as datetime, durations as timedelta.

    `UInt` stays, since it is an int. A map stays a `CelMap` where a dict would merge two of its
    keys, such as true and 1.
    """
    kind = type(value)
    if kind is Timestamp:
        return to_datetime(value)
    if kind is Duration:
        return timedelta(microseconds=value.nanoseconds // 1_000)
    if kind is list:
        return [to_python(item) for item in value]
    if kind is dict:
        return {key: to_python(item) for key, item in value.items()}
    if kind is CelMap:
        plain = {key: to_python(item) for key, item in value.items()}
        return plain if len(plain) == len(value) else value
    return value


class FailureKind(StrEnum):
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


def failure(kind: FailureKind, message: str) -> EvaluationError:
    """Makes an evaluation error of that kind; the caller raises it."""
    return EvaluationError(kind.value, message)


def no_overload(function: str, *args: Any) -> EvaluationError:
    """Makes the error of a function or operator that has no overload for the types of `args`.

    Its kind is NULL_OPERAND where one of them is null, else NO_OVERLOAD.
    """
    kinds = ", ".join(describe(arg) for arg in args)
    kind = FailureKind.NULL_OPERAND if any(arg is None for arg in args) else FailureKind.NO_OVERLOAD
    name = function.strip("_@")
    return failure(kind, f"'{name}' can't be applied to ({kinds})")


# Equality, ordering and membership, between values of any two types. Numbers of different types
# are compared by value. An integer and a double are compared as doubles, as the conformance data
# asks for beyond 2^53.

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


def not_equal(left: Any, right: Any) -> bool:
    """`left != right`."""
    return not equal(left, right)


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


def look_up(container: Any, key: Any, default: Any) -> Any:
    """The value at `key` of a map, which is a dict or a `CelMap`; `default` where it has none."""
    if type(container) is dict:
        return container.get(key, default) if type(key) is str else default
    return container.get(key, default)


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


def _maps_equal(left: Any, right: Any) -> bool:
    if len(left) != len(right):
        return False
    for key, value in left.items():
        other = look_up(right, key, MISSING)
        if other is MISSING or not equal(value, other):
            return False
    return True
