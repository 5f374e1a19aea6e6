"""Types: their names, the common type of two, which operators take them, those of watchlists.

A type is a `FieldType`, the schema's own class. None is CEL's `dyn`: an unknown type, which fits
everywhere. "Kind" is a type without its parts: `list(int)` is of the kind LIST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from engine.cel.values.values import CelType, Duration, Timestamp, UInt
from engine.schema import Domain, FieldType, Kind
from engine.watchlist import STANDARD_COLUMNS, Watchlist

#: The kinds by the Python types of the values.
KINDS: Final[dict[type, Kind]] = {
    str: Kind.STRING,
    int: Kind.INT,
    float: Kind.DOUBLE,
    bool: Kind.BOOL,
    bytes: Kind.BYTES,
    list: Kind.LIST,
    dict: Kind.MAP,
    Timestamp: Kind.TIMESTAMP,
    type(None): Kind.NULL,
    UInt: Kind.UINT,
    Duration: Kind.DURATION,
    CelType: Kind.TYPE,
}
#: The types that have no parts.
SCALARS: Final[dict[Kind, FieldType]] = {
    kind: FieldType(kind, nullable=kind is Kind.NULL)
    for kind in Kind
    if kind not in (Kind.LIST, Kind.MAP, Kind.RECORD)
}
BOOL: Final = SCALARS[Kind.BOOL]
TEXT: Final = SCALARS[Kind.STRING]
NULL: Final = SCALARS[Kind.NULL]
#: The types of `[]` and `{}`, which join with any other list or map. They are compared by identity.
EMPTY_LIST: Final = FieldType(Kind.LIST)
EMPTY_MAP: Final = FieldType(Kind.MAP)

INTEGERS: Final = frozenset({Kind.INT, Kind.UINT})
NUMBERS: Final = INTEGERS | {Kind.DOUBLE}
CONTAINERS: Final = frozenset({Kind.LIST, Kind.MAP})
#: The kinds that a map's key may have, and their names for messages.
KEYS: Final = frozenset({Kind.STRING, Kind.INT, Kind.UINT, Kind.BOOL})
KEY_NAMES: Final = "string, int, uint or bool"

_NULLABLE: Final = {kind: replace(scalar, nullable=True) for kind, scalar in SCALARS.items()}
_UNORDERED: Final = frozenset({Kind.RECORD, Kind.LIST, Kind.MAP, Kind.NULL, Kind.TYPE})
_MAPS: Final = frozenset({Kind.RECORD, Kind.MAP})
_ARTICLES: Final = {Kind.INT: "an int", Kind.NULL: "null", Kind.BYTES: "bytes"}

_Row = tuple[Kind, Kind, Kind]
_ALIKE: Final[dict[str, frozenset[Kind]]] = {
    "_+_": NUMBERS | {Kind.STRING, Kind.BYTES, Kind.LIST, Kind.DURATION},
    "_-_": NUMBERS | {Kind.DURATION},
    "_*_": NUMBERS,
    "_/_": NUMBERS,
    "_%_": INTEGERS,
}
_INSTANTS: Final[dict[str, tuple[_Row, ...]]] = {
    "_+_": (
        (Kind.TIMESTAMP, Kind.DURATION, Kind.TIMESTAMP),
        (Kind.DURATION, Kind.TIMESTAMP, Kind.TIMESTAMP),
    ),
    "_-_": (
        (Kind.TIMESTAMP, Kind.TIMESTAMP, Kind.DURATION),
        (Kind.TIMESTAMP, Kind.DURATION, Kind.TIMESTAMP),
    ),
}
_ROWS: Final[dict[str, tuple[_Row, ...]]] = {
    function: (*((kind,) * 3 for kind in sorted(kinds)), *_INSTANTS.get(function, ()))
    for function, kinds in _ALIKE.items()
}


def type_name(kind: FieldType | None) -> str:
    """CEL's name of a type: `int`, `list(string)`, `dyn`."""
    if kind is None:
        return "dyn"
    if kind.kind is Kind.LIST and kind.element is not None:
        return f"list({type_name(kind.element)})"
    if kind.kind is Kind.MAP and kind.element is not None:
        return f"map({type_name(kind.key)}, {type_name(kind.element)})"
    return str(kind.kind)


def with_article(kind: FieldType) -> str:
    """A type's kind with its article, for messages: "an int", "a list"."""
    return _ARTICLES.get(kind.kind, f"a {kind.kind}")


def results_of(function: str, left: FieldType | None, right: FieldType | None) -> set[Kind]:
    """The kinds of results that an arithmetic operator may give; empty if it takes no such types.

    Whether an operand may be null is not considered.
    """
    return {
        result
        for one, two, result in _ROWS[function]
        if (left is None or left.kind is one) and (right is None or right.kind is two)
    }


def can_order(left: FieldType | None, right: FieldType | None) -> bool:
    """Whether `<`, `<=`, `>` and `>=` take operands of these types."""
    if left is None or right is None:
        known = left or right
        return known is None or known.kind not in _UNORDERED
    if left.kind in NUMBERS and right.kind in NUMBERS:
        return True
    return left.kind is right.kind and left.kind not in _UNORDERED


def can_be_equal(left: FieldType, right: FieldType) -> bool:
    """Whether a value of one type can equal a value of the other."""
    if left.nullable and right.nullable:
        return True
    if left.kind is right.kind is Kind.RECORD:
        return left.fields.keys() == right.fields.keys()
    both = {left.kind, right.kind}
    return len(both) == 1 or both <= NUMBERS or both <= _MAPS


def can_join(one: FieldType | None, two: FieldType | None) -> bool:
    """Whether the two types have a common type, as the sides of `?` must."""
    if one is None or two is None or one.kind is two.kind:
        return True
    both = {one.kind, two.kind}
    return Kind.NULL in both or both <= _MAPS


def join(one: FieldType | None, two: FieldType | None) -> FieldType | None:
    """The common type of two types; None where they have none."""
    if one is two or one is None or two is None:
        return one if one is two else None
    if one.kind is Kind.NULL or two.kind is Kind.NULL:
        return nullable(two if one.kind is Kind.NULL else one)
    if one.kind is not two.kind:
        return None
    is_nullable = one.nullable or two.nullable
    if one.kind in SCALARS:
        return (_NULLABLE if is_nullable else SCALARS)[one.kind]
    if one.kind is Kind.RECORD:
        joined = one if one.fields == two.fields else None
    elif one is EMPTY_LIST or one is EMPTY_MAP:
        joined = two
    elif two is EMPTY_LIST or two is EMPTY_MAP:
        joined = one
    else:
        joined = FieldType(
            one.kind, element=join(one.element, two.element), key=join(one.key, two.key)
        )
    return nullable(joined) if joined is not None and is_nullable else joined


def nullable(kind: FieldType) -> FieldType:
    """The same type, or null."""
    return kind if kind.nullable else replace(kind, nullable=True)


def not_null(kind: FieldType) -> FieldType:
    """The same type without null."""
    return replace(kind, nullable=False) if kind.nullable and kind is not NULL else kind


def list_of(element: FieldType | None) -> FieldType:
    """The type of a list of such elements."""
    return FieldType(Kind.LIST, element=element)


def row_type(watchlist: Watchlist) -> FieldType:
    """The type of a watchlist's rows: a record of its columns, each of which may be null."""
    names = (*STANDARD_COLUMNS, *watchlist.columns)
    text, instant = _NULLABLE[Kind.STRING], _NULLABLE[Kind.TIMESTAMP]
    instants = ("valid_from", "valid_until")
    fields = {name: instant if name in instants else text for name in names}
    return FieldType(Kind.RECORD, fields=fields)


#: The type of a likeness.
LIKENESS: Final = FieldType(Kind.DOUBLE, domain=Domain(0, 1))


#: What `closest()` says beside the columns of a list, in place of those with such names.
CLOSEST_FIELDS: Final[Mapping[str, FieldType]] = MappingProxyType(
    {"plate": TEXT, "likeness": LIKENESS, "is_ambiguous": BOOL}
)


def closest_type(watchlist: Watchlist) -> FieldType:
    """The type of `closest()`: a row with its plate and likeness, or null."""
    fields = {**row_type(watchlist).fields, **CLOSEST_FIELDS}
    return FieldType(Kind.RECORD, nullable=True, fields=fields)


def list_type(watchlist: Watchlist) -> FieldType:
    """The type of a watchlist: a map of rows by plate."""
    return FieldType(Kind.MAP, key=TEXT, element=row_type(watchlist))


def rows_type(watchlist: Watchlist) -> FieldType:
    """The type of `rows()`: a list of rows."""
    return FieldType(Kind.LIST, element=row_type(watchlist))
