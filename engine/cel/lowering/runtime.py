"""What generated functions call by name, and what they catch when they give up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from engine.cel import arithmetic
from engine.cel.access import element
from engine.cel.comparison import contains, equal, not_equal
from engine.cel.loops import ROUND_SIZE
from engine.cel.plan import make_map
from engine.cel.values import MISSING, CelMap, to_timestamp
from engine.errors import EvaluationError

_CONTAINERS: Final = frozenset({list, dict, CelMap})
_MAPS: Final = frozenset({dict, CelMap})
_SIZED: Final = frozenset({str, bytes, list})


class GiveUpError(Exception):
    """The closures must decide."""


def truth(value: Any) -> bool:
    """`value`, which must be true or false."""
    if value is True or value is False:
        return value
    raise GiveUpError


def given(value: Any) -> Any:
    """`value`, which must not be null."""
    if value is None:
        raise GiveUpError
    return value


def optional(record: Any, field: str) -> Any:
    """A field of a record that may be absent."""
    return None if record is None else record[field]


def instant(value: Any) -> Any:
    """A timestamp that the bindings hold as a datetime."""
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
    """What a macro runs over; more than `limit` items are left to the closures, which count."""
    if type(value) in _CONTAINERS and len(value) <= limit:
        return value  # type: ignore[no-any-return]
    raise GiveUpError


def kept(value: Any) -> Any:
    """`value`, which `map` keeps; one so large that it counts as rounds is left to the closures."""
    if type(value) in _SIZED and len(value) >= ROUND_SIZE:
        raise GiveUpError
    return value


#: What Python raises where CEL has an error, or where an event is not as its schema says.
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
    given,
    optional,
    instant,
    member,
    has_member,
    items,
    kept,
    element,
    contains,
    equal,
    not_equal,
    make_map,
    arithmetic.int64,
    arithmetic.joined,
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
