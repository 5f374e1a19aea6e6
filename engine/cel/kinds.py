"""The schema's kinds of values against the language's: what fits what, as far as is known."""

from __future__ import annotations

from typing import Final

from engine.cel.values import Timestamp
from engine.schema import FieldType, Kind

KINDS: Final[dict[type, Kind]] = {
    str: Kind.STRING,
    int: Kind.INT,
    float: Kind.DOUBLE,
    bool: Kind.BOOL,
    bytes: Kind.BYTES,
    list: Kind.LIST,
    dict: Kind.MAP,
    Timestamp: Kind.TIMESTAMP,
}
BOOL: Final = FieldType(Kind.BOOL)
NUMBERS: Final = frozenset({Kind.INT, Kind.DOUBLE})

_RUNTIME: Final = {kind: runtime for runtime, kind in KINDS.items()} | {Kind.RECORD: dict}
_UNORDERED: Final = frozenset({Kind.RECORD, Kind.LIST, Kind.MAP})
_MAPS: Final = frozenset({Kind.RECORD, Kind.MAP})
_ARITHMETIC: Final[dict[str, frozenset[Kind]]] = {
    "_+_": frozenset({Kind.INT, Kind.DOUBLE, Kind.STRING, Kind.BYTES, Kind.LIST}),
    "_-_": frozenset({Kind.INT, Kind.DOUBLE, Kind.TIMESTAMP}),
    "_*_": NUMBERS,
    "_/_": NUMBERS,
    "_%_": frozenset({Kind.INT}),
}


def can_calculate(function: str, left: FieldType, right: FieldType) -> bool:
    """Whether an arithmetic operator takes two operands of these types."""
    return left.kind is right.kind and left.kind in _ARITHMETIC[function]


def can_order(left: FieldType, right: FieldType) -> bool:
    """Whether `<` and its like take two operands of these types."""
    if left.kind in NUMBERS and right.kind in NUMBERS:
        return True
    return left.kind is right.kind and left.kind not in _UNORDERED


def can_be_equal(left: FieldType, right: FieldType) -> bool:
    """Whether values of these types can be equal at all."""
    if left.kind is right.kind or (left.nullable and right.nullable):
        return True
    both = {left.kind, right.kind}
    return both <= NUMBERS or both <= _MAPS


def fits(params: tuple[type, ...], kinds: list[FieldType | None]) -> bool:
    """Whether a signature may take arguments of these types; None is any type."""
    return len(params) == len(kinds) and all(
        kind is None or param is object or _RUNTIME[kind.kind] is param
        for param, kind in zip(params, kinds, strict=True)
    )


def result_type(results: set[type]) -> FieldType | None:
    """The type of a result that is one of these, where that is one known type."""
    kind = KINDS.get(next(iter(results))) if len(results) == 1 else None
    return FieldType(kind) if kind is not None else None
