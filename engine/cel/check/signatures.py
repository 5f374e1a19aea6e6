"""Which signatures of a function fit its arguments, and the type of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.cel.check import domains
from engine.cel.types.functions import ANY, Function, Overload
from engine.cel.types.kinds import KINDS, NUMBERS, SCALARS, TEXT, list_of, not_null
from engine.cel.values.values import CelMap
from engine.schema import Domain, FieldType, Kind

_RUNTIME: Final = {
    **{kind: runtime for runtime, kind in KINDS.items()},
    # A record is no map: there is nothing to count in it.
    Kind.RECORD: None,
}
#: The elements of lists that functions take and give, which Python's types in signatures lack.
_ELEMENTS_WANTED: Final = {
    "join": frozenset({Kind.STRING}),
    "math.greatest": NUMBERS,
    "math.least": NUMBERS,
}
_ELEMENTS_GIVEN: Final = {"split": TEXT}
#: Functions whose result has only characters of their text.
_KEEPING: Final = frozenset({"charAt", "substring", "trim", "reverse"})
_CHANGING: Final = frozenset({"lower", "lowerAscii", "upperAscii"})
_RANGES: Final = {
    "size": Domain(minimum=0),
    "indexOf": Domain(minimum=-1),
    "lastIndexOf": Domain(minimum=-1),
}
#: The ranges of a timestamp's parts; those of a duration have none.
_PARTS: Final = {
    "getFullYear": Domain(1, 9999),
    "getMonth": Domain(0, 11, note="January is 0"),
    "getDate": Domain(1, 31),
    "getDayOfMonth": Domain(0, 30, note="the first is 0"),
    "getDayOfWeek": Domain(0, 6, note="Sunday is 0"),
    "getDayOfYear": Domain(0, 365, note="the first is 0"),
    "getHours": Domain(0, 23),
    "getMinutes": Domain(0, 59),
    "getSeconds": Domain(0, 59),
    "getMilliseconds": Domain(0, 999),
}


def fitting(function: Function, kinds: Sequence[FieldType | None]) -> list[Overload]:
    """The signatures that take arguments of these types; a type of None fits any parameter."""
    if not _fits_elements(function.name, kinds[0]):
        return []
    return [row for row in function.overloads if _fits(row.params, kinds)]


def _fits(params: tuple[type, ...], kinds: Sequence[FieldType | None]) -> bool:
    return len(params) == len(kinds) and all(
        kind is None or param is ANY or _RUNTIME[kind.kind] is param
        for param, kind in zip(params, kinds, strict=True)
    )


def _fits_elements(name: str, over: FieldType | None) -> bool:
    wanted = _ELEMENTS_WANTED.get(name)
    element = over.element if over is not None else None
    return wanted is None or element is None or element.kind in wanted


def takes(function: Function, count: int) -> str:
    """The signatures with `count` parameters, for messages: "size(string) or size(list)"."""
    shown: dict[str, None] = {}
    for row in function.overloads:
        if len(row.params) == count and CelMap not in row.params:
            names = [_name(function.name, param) for param in row.params]
            if function.is_global or "." in function.name:
                shown[f"{function.name}({', '.join(names)})"] = None
            else:
                shown[f"{names[0]}.{function.name}({', '.join(names[1:])})"] = None
    return " or ".join(shown)


def _name(function: str, param: type) -> str:
    wanted = _ELEMENTS_WANTED.get(function)
    if wanted is NUMBERS:
        return "list(number)" if param is list else "number"
    if wanted is not None and param is list:
        return "list(string)"
    return "dyn" if param is ANY else str(KINDS[param])


def result_of(
    function: Function, rows: Sequence[Overload], kinds: Sequence[FieldType | None]
) -> FieldType | None:
    """The type of a call's result by the signatures `rows` that fit; None where it is unknown."""
    name, first = function.name, kinds[0]
    results = {row.result for row in rows}
    kind = KINDS.get(results.pop()) if len(results) == 1 else None
    if kind is None:
        is_choice = _ELEMENTS_WANTED.get(name) is NUMBERS and first is not None
        chosen = first.element if is_choice and first is not None else None
        return not_null(chosen) if chosen is not None else None
    if kind is Kind.LIST:
        return list_of(_ELEMENTS_GIVEN.get(name))
    if kind is Kind.MAP:
        return FieldType(Kind.MAP)
    domain = _domain(name, first)
    return SCALARS[kind] if domain is None else FieldType(kind, domain=domain)


def _domain(name: str, first: FieldType | None) -> Domain | None:
    if name in _CHANGING:
        return domains.domain_in_case(name, first.domain if first is not None else None)
    if first is None:
        return None
    if name in _KEEPING:
        return domains.domain_of_parts(first.domain)
    if name in _PARTS and first.kind is Kind.TIMESTAMP:
        return _PARTS[name]
    return _RANGES.get(name)
