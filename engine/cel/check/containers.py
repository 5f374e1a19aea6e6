"""The check of records, lists and maps: types of literals, of fields, of macros' variables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final

from engine.cel.syntax import remedies
from engine.cel.syntax.tree import Comprehension, MapNode, Select
from engine.cel.types.findings import Findings
from engine.cel.types.functions import FUNCTIONS
from engine.cel.types.kinds import (
    EMPTY_LIST,
    EMPTY_MAP,
    KEY_NAMES,
    KEYS,
    join,
    list_of,
    nullable,
    with_article,
)
from engine.cel.types.scope import suggest
from engine.errors import shorten
from engine.schema import FieldType, Kind

#: Other languages' names of `size()` as a field.
_LENGTHS: Final = frozenset({"length", "len", "count"})


def literal_list_type(kinds: Sequence[FieldType | None]) -> FieldType:
    """The type of a list literal whose items have these types."""
    return list_of(reduce(join, kinds)) if kinds else EMPTY_LIST


def literal_map_type(
    findings: Findings,
    node: MapNode,
    keys: Sequence[FieldType | None],
    values: Sequence[FieldType | None],
) -> FieldType:
    """The type of a map literal whose keys and values have these types; reports bad keys."""
    for (key, _), kind in zip(node.entries, keys, strict=True):
        if kind is not None and kind.kind not in KEYS:
            what = f"a map's key must be {KEY_NAMES}, not {with_article(kind)}"
            findings.error(key, "bad-key", what, "write it as text, in quotes")
    if not keys:
        return EMPTY_MAP
    return FieldType(Kind.MAP, key=reduce(join, keys), element=reduce(join, values))


def field_type(findings: Findings, node: Select, record: FieldType) -> FieldType | None:
    """The type of a record's field; reports an unknown one.

    Notes the full path of the field among the findings.
    """
    found = record.fields.get(node.field)
    path = findings.paths.pop(id(node.operand), None)
    if path is not None:
        findings.paths[id(node)] = f"{path}.{node.field}"
    if found is None:
        what = f"'{path or 'the record'}' has no field '{shorten(node.field)}'"
        remedy = suggest(node.field, record.fields)
        findings.error(node, "unknown-field", what, remedy)
        return None
    return nullable(found) if record.nullable else found


def remedy_of_field(node: Select, operand: FieldType) -> str:
    """What to write instead of a field of a value whose type has no fields."""
    function = FUNCTIONS.get(node.field)
    if function is not None and function.is_member:
        return f"a function has brackets: write {node.field}()"
    element = operand.element
    if element is not None and element.kind is Kind.RECORD and node.field in element.fields:
        return f"its items have: write list.exists(item, item.{node.field} == …)"
    part = remedies.remedy_of_part(node.field) if operand.kind is Kind.TIMESTAMP else ""
    if node.field.lower() in _LENGTHS:
        return "write size(x)"
    return part or "fields are those of records and maps"


def item_type(
    findings: Findings, node: Comprehension, over: FieldType | None, safe: frozenset[str]
) -> FieldType | None:
    """The type of a macro's variable, given the type of its range; reports one without items."""
    findings.warn_of_null(node.range, over, safe, f"{node.macro}()")
    if over is None or over.kind is Kind.LIST:
        return over.element if over is not None else None
    if over.kind is not Kind.MAP:
        what = f"{node.macro}() runs over a list or a map, not over {with_article(over)}"
        findings.error(node, "no-overload", what, f"write [a, b].{node.macro}(…)")
        return None
    return over.key
