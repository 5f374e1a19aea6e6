"""The words of the rule language as an editor shows them: fields, functions and macros."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.cel.syntax.tree import Macro
from engine.cel.types.functions import ANY, FUNCTIONS, Function, Overload
from engine.cel.types.kinds import KINDS
from engine.schema import Domain, FieldType, Kind

#: What is called, but is no function of the table: how it is written, and what it gives.
MACROS: Final[Mapping[str, tuple[str, str]]] = {
    "has": ("has(plate.region)", "Whether the field is there."),
    str(Macro.ALL): ("list.all(x, …)", "Whether the condition holds for every item."),
    str(Macro.EXISTS): ("list.exists(x, …)", "Whether the condition holds for an item."),
    str(Macro.EXISTS_ONE): ("list.exists_one(x, …)", "Whether it holds for exactly one item."),
    str(Macro.MAP): ("list.map(x, …)", "The value of the expression for every item."),
    str(Macro.FILTER): ("list.filter(x, …)", "The items for which the condition holds."),
    f"cel.{Macro.BIND}": ("cel.bind(x, value, …)", "The expression, in which x is the value."),
}
#: Functions that compare plates by likeness, as `MACROS`.
BY_LIKENESS: Final[Mapping[str, tuple[str, str]]] = {
    "likeness": (
        'likeness(plate.normalized_text, "ABC123")',
        "How alike two plates are to a camera, 0 to 1: 1 for the same.",
    ),
    "similar": (
        'similar(plate.normalized_text, "ABC123")\n'
        'similar(plate.normalized_text, ["ABC123", "XYZ789"], 0.95)\n'
        'similar(plate.normalized_text, watchlist("stolen"))',
        "Whether the text may be a misreading of the plate, or of one on the list. The last "
        "argument is the least likeness; without it that of the row or list, or 0.9.",
    ),
    "closest": (
        'closest(watchlist("stolen"), plate.normalized_text)',
        "The row of the list whose plate is most like the text, or null: its columns, `plate`, "
        "`likeness` (0 to 1), and `is_ambiguous` where another plate is as near.",
    ),
}
#: The fields of `closest()` beside the columns of the list, with what they are.
CLOSEST_FIELDS: Final[Mapping[str, str]] = {
    "plate": "`plate`: string\n\nThe plate on the list.",
    "likeness": "`likeness`: double\n\nHow alike it is, 0 to 1.",
    "is_ambiguous": "`is_ambiguous`: bool\n\nAnother plate on the list is as near.",
}
#: Functions of the names of a section of the file, as `MACROS`.
NAMED: Final[Mapping[str, tuple[str, str, str]]] = {
    "watchlist": (
        'watchlist("stolen")',
        "A list of plates from a file: `plate.normalized_text in watchlist(…)`.",
        "watchlists",
    ),
    "during": (
        'during("night")',
        "Whether the event is in the time interval of that name.",
        "time_intervals",
    ),
}
_OF_LISTS: Final = frozenset(
    map(str, (Macro.ALL, Macro.EXISTS, Macro.EXISTS_ONE, Macro.MAP, Macro.FILTER))
)


def type_name(field: FieldType) -> str:
    """A field's type in words: `string or null`, `list of int`."""
    name = str(field.kind)
    if field.element is not None:
        name = f"{name} of {type_name(field.element)}"
    return f"{name} or null" if field.nullable else name


def field_help(path: str, field: FieldType) -> str:
    """Markdown about a field: its type, what it means, and the values that it may have."""
    parts = [f"`{path}`: {type_name(field)}"]
    if field.doc:
        parts.append(field.doc)
    if field.kind is Kind.RECORD:
        parts.append(f"Fields: {', '.join(f'`{name}`' for name in field.fields)}")
    elif field.domain is not None and (values := _values(field.domain)):
        parts.append(f"Values: {values}")
    return "\n\n".join(parts)


def function_help(function: Function) -> str:
    """Markdown about a function: how it is called, and what it gives."""
    calls = "\n".join(dict.fromkeys(_calls(function)))
    return f"```\n{calls}\n```\n\n{function.doc}"


def members_of(field: FieldType | None) -> list[tuple[str, str]]:
    """Names and help of what may be called on a value of this type; None is any type."""
    found = []
    for function in FUNCTIONS.values():
        if function.is_member and any(_takes(each, field) for each in function.overloads):
            found.append((function.name, function_help(function)))
    if field is None or field.kind in (Kind.LIST, Kind.MAP):
        found += [(name, _call_help(*MACROS[name])) for name in sorted(_OF_LISTS)]
    return found


def global_calls() -> list[tuple[str, str]]:
    """Names and help of what may be called without a value before a dot."""
    found = [
        (function.name, function_help(function))
        for function in FUNCTIONS.values()
        if function.is_global
    ]
    found += [(name, _call_help(*about)) for name, about in MACROS.items() if name not in _OF_LISTS]
    found += [(name, _call_help(*about)) for name, about in BY_LIKENESS.items()]
    return [*found, *((name, _call_help(*about[:2])) for name, about in NAMED.items())]


def call_help(name: str) -> str:
    """Markdown about what is called by this name; "" for nothing."""
    if name in FUNCTIONS:
        return function_help(FUNCTIONS[name])
    if name in NAMED:
        return _call_help(*NAMED[name][:2])
    about = MACROS.get(name) or BY_LIKENESS.get(name)
    return _call_help(*about) if about is not None else ""


def _call_help(call: str, meaning: str) -> str:
    return f"```\n{call}\n```\n\n{meaning}"


def _calls(function: Function) -> list[str]:
    found = []
    for overload in function.overloads:
        names = [_name(kind) for kind in overload.params]
        result = _name(overload.result)
        if function.is_member:
            found.append(f"{names[0]}.{function.name}({', '.join(names[1:])}) → {result}")
        else:
            found.append(f"{function.name}({', '.join(names)}) → {result}")
    return found


def _name(kind: type) -> str:
    return "any" if kind is ANY else str(KINDS.get(kind, Kind.MAP))


def _takes(overload: Overload, field: FieldType | None) -> bool:
    first = overload.params[0]
    if field is None or first is ANY:
        return True
    return KINDS.get(first) is field.kind


def _values(domain: Domain) -> str:
    if domain.words:
        return ", ".join(f"`{word}`" for word in domain.words)
    if domain.characters:
        return f"the characters `{domain.characters}`"
    limits = (("from", domain.minimum), ("to", domain.maximum))
    return " ".join(f"{word} {limit:.15g}" for word, limit in limits if limit is not None)
