"""The functions that generated code calls by name, and the exceptions on which it gives up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from engine.cel.interpret.budget import ROUND_SIZE, UNCOUNTED
from engine.cel.interpret.closures import element, make_map
from engine.cel.values import numbers, values
from engine.cel.values.values import MISSING, CelMap, to_timestamp
from engine.errors import EvaluationError

_CONTAINERS: Final = frozenset({list, dict, CelMap})
_MAPS: Final = frozenset({dict, CelMap})
_TEXTS: Final = frozenset({str, bytes})
#: The longest texts and lists that a generated function makes or compares itself.
MAX_TEXT: Final = ROUND_SIZE * UNCOUNTED
MAX_ELEMENTS: Final = 64


class GiveUpError(Exception):
    """The generated function can't return the value; the interpreter must."""


def truth(value: Any) -> bool:
    """`value`; gives up where it is no bool."""
    if value is True or value is False:
        return value
    raise GiveUpError


def not_null(value: Any) -> Any:
    """`value`; gives up where it is null."""
    if value is None:
        raise GiveUpError
    return value


def field_or_null(record: Any, field: str) -> Any:
    """A field of a record that may be null."""
    return None if record is None else record[field]


def instant(value: Any) -> Any:
    """A timestamp; `value` may be a datetime."""
    return to_timestamp(value) if isinstance(value, datetime) else value


def member(value: Any, field: str) -> Any:
    """`value.field` of a map."""
    found = value.get(field, MISSING) if type(value) in _MAPS else MISSING
    if found is MISSING:
        raise GiveUpError
    return found


def has_member(value: Any, field: str) -> bool:
    """`has(value.field)` of a map."""
    if type(value) in _MAPS:
        return value.get(field, MISSING) is not MISSING
    raise GiveUpError


def items(value: Any, limit: int) -> Iterable[Any]:
    """What a macro runs over; gives up for more than `limit` items."""
    if type(value) in _CONTAINERS and len(value) <= limit:
        return value  # type: ignore[no-any-return]
    raise GiveUpError


def free(value: Any) -> Any:
    """`value`, which `map` keeps; gives up where it costs something."""
    kind = type(value)
    if kind in _CONTAINERS or (kind in _TEXTS and len(value) >= ROUND_SIZE):
        raise GiveUpError
    return value


def short(value: Any) -> Any:
    """`value`; gives up where it is long."""
    kind = type(value)
    if kind in _TEXTS:
        if len(value) > MAX_TEXT:
            raise GiveUpError
    elif kind in _CONTAINERS and len(value) > MAX_ELEMENTS:
        raise GiveUpError
    return value


def flat(value: Any) -> Any:
    """A list or map; gives up where it holds lists or maps."""
    for item in value if type(value) is list else [each for _, each in value.items()]:
        if type(item) in _CONTAINERS:
            raise GiveUpError
    return value


def joined(left: Any, right: Any) -> Any:
    """`left + right` of texts, bytes or lists."""
    return short(left + right)


def equal(left: Any, right: Any) -> bool:
    """`left == right`; gives up where lists or maps are long."""
    if type(left) in _CONTAINERS and type(right) in _CONTAINERS:
        flat(short(left))
    return values.equal(left, right)


def not_equal(left: Any, right: Any) -> bool:
    """`left != right`."""
    return not equal(left, right)


def contains(item: Any, container: Any) -> bool:
    """`item in container`; gives up where the list is long."""
    if type(container) is list:
        flat(short(container))
    return values.contains(item, container)


#: What Python raises where CEL has an evaluation error, or where an event does not fit its schema.
FAILED: Final[tuple[type[Exception], ...]] = (
    EvaluationError,
    GiveUpError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    ValueError,
)

_FUNCTIONS: Final[tuple[Callable[..., Any], ...]] = (
    truth,
    not_null,
    field_or_null,
    instant,
    member,
    has_member,
    items,
    free,
    short,
    flat,
    joined,
    element,
    contains,
    equal,
    not_equal,
    make_map,
    numbers.int64,
    any,
    all,
    float,
    len,
)
#: The global names of generated functions: these, and nothing of Python's own beside them.
NAMES: Final[dict[str, Any]] = {
    "__builtins__": {},
    "FAILED": FAILED,
    **{function.__name__: function for function in _FUNCTIONS},
}
