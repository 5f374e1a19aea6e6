"""Completes keys, fields, functions and names at a cursor in a rule file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lsprotocol.types import (
    CompletionItem,
    CompletionItemKind,
    MarkupContent,
    MarkupKind,
    TextEdit,
)

from channels.definitions.keys import Key, KeyGroup, ValueKind
from engine.cel import Operator
from engine.cel.condition import OF_LISTS
from engine.editor.cursor import Cursor, cursor_at
from engine.editor.language import (
    CLOSEST_FIELDS,
    NAMED,
    field_help,
    global_calls,
    members_of,
    type_name,
)
from engine.editor.names import Names
from engine.editor.schema import EVENT_TIMES, paths_of
from engine.editor.text import Text
from engine.editor.where import Where, template_variables, where
from engine.rules.keys import OPERATORS
from engine.schema import TIME_VARIABLE, EventSchema, FieldType, Kind

#: Keys whose value stands on the lines below them.
_BELOW: Final = frozenset({ValueKind.GROUP, ValueKind.GROUPS, ValueKind.NAMED})
#: A dotted name up to the cursor.
_DOTTED: Final = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]?\w*$")
_WORD: Final = re.compile(r"[\w-]*$")
_EXPRESSIONS: Final = frozenset({ValueKind.EXPRESSION, ValueKind.ONE_OR_MORE, ValueKind.TEMPLATE})
#: A name in quotes that a function of `NAMED` takes, up to the cursor.
#: A call of `closest`, up to the cursor behind its dot.
_CLOSEST: Final = re.compile(r"\bclosest\(\s*watchlist\([^()]*\)[^()]*\)\s*\.\w*$")
_IN_CALL: Final = re.compile(r"(?P<call>\w+)\(\s*[\"'][\w.-]*$")


def complete(text: Text, offset: int, schema: EventSchema, names: Names) -> list[CompletionItem]:
    """What may stand at an offset of a text; the editor filters by what is typed already."""
    cursor = cursor_at(text.text, offset)
    found = where(cursor, text.source.file)
    items: list[CompletionItem] = []
    if found.event is not None:
        items += _event_items(found, cursor, schema)
    else:
        if found.group is not None:
            items += _key_items(found.group, cursor)
        if found.key is not None:
            items += _value_items(found.key, cursor, schema, names)
    return [_placed(item, cursor, found, text, offset) for item in items]


def _placed(
    item: CompletionItem, cursor: Cursor, found: Where, text: Text, offset: int
) -> CompletionItem:
    """The item, which takes the place of what is typed of it: editors differ in what a word is."""
    typed = cursor.before
    if found.key is not None and found.key.kind in _EXPRESSIONS:
        pattern = _DOTTED if "." in item.label else _WORD
        word = pattern.search(typed)
        typed = word[0] if word is not None else ""
    range_ = text.range(offset - len(typed), offset)
    item.text_edit = TextEdit(range_, item.insert_text or item.label)
    item.insert_text = None
    return item


def _key_items(group: KeyGroup, cursor: Cursor) -> Iterator[CompletionItem]:
    for key in group.keys:
        if key.name not in cursor.siblings:
            ending = ":" if key.kind in _BELOW else ": "
            yield _item(
                key.name, CompletionItemKind.Property, key_help(key), insert=key.name + ending
            )


def key_help(key: Key) -> str:
    """Markdown about a key: what it is for, what it may be, and an example."""
    parts = [key.meaning]
    if key.choices:
        parts.append(" · ".join(f"`{choice}`" for choice in key.choices))
    if isinstance(key.example, str | int | float) and not isinstance(key.example, bool):
        parts.append(f"For example: `{key.example}`")
    return "\n\n".join(parts)


def _event_items(found: Where, cursor: Cursor, schema: EventSchema) -> Iterator[CompletionItem]:
    record = schema.field(found.event) if found.event else None
    if found.event and cursor.is_key and record is None:
        return
    if not cursor.is_key:
        yield from _domain_items(record)
        return
    fields = record.fields if record is not None else schema.variables
    if record is None:
        for name, about in EVENT_TIMES.items():
            if name not in fields and name not in cursor.siblings:
                yield _item(name, CompletionItemKind.Property, about, insert=f"{name}: ")
    for name, kind in fields.items():
        if name != TIME_VARIABLE and name not in cursor.siblings:
            ending = ":" if kind.kind is Kind.RECORD else ": "
            yield _item(
                name,
                CompletionItemKind.Field,
                field_help(name, kind),
                type_name(kind),
                name + ending,
            )


def _domain_items(field: FieldType | None) -> Iterator[CompletionItem]:
    if field is not None and field.domain is not None:
        for word in field.domain.words:
            yield _item(word, CompletionItemKind.Value)


def _value_items(
    key: Key, cursor: Cursor, schema: EventSchema, names: Names
) -> Iterable[CompletionItem]:
    match key.kind:
        case ValueKind.FLAG:
            return [_item(word, CompletionItemKind.Value) for word in ("true", "false")]
        case ValueKind.CHOICE | ValueKind.EXPECTATION:
            return [
                _item(choice, CompletionItemKind.EnumMember, _choice_help(choice))
                for choice in key.choices
            ]
        case ValueKind.NAMES | ValueKind.EXPECTED_RULES:
            section = key.names or "rules"
            return [_item(name, CompletionItemKind.Reference) for name in names.get(section, ())]
        case ValueKind.FIELD:
            return [
                _item(path, CompletionItemKind.Field, field_help(path, kind), type_name(kind))
                for path, kind in paths_of(schema.variables)
                if kind.kind is not Kind.RECORD
            ]
        case ValueKind.VALUE if cursor.siblings.get("operator") in OF_LISTS:
            lists = names.get("watchlists", ())
            return [_item(name, CompletionItemKind.Reference) for name in lists]
        case ValueKind.VALUE:
            return _domain_items(schema.field(cursor.siblings.get("field", "")))
        case ValueKind.EXPRESSION | ValueKind.ONE_OR_MORE:
            return _expression_items(cursor.before, schema.variables, names)
        case ValueKind.TEMPLATE if (inside := _placeholder(cursor.before)) is not None:
            variables = template_variables(cursor, schema)
            return _expression_items(inside, variables, names)
    return ()


def _choice_help(choice: str) -> str:
    return OPERATORS[Operator(choice)] if choice in tuple(Operator) else ""


def _placeholder(before: str) -> str | None:
    """The expression of the placeholder in which a template ends; None where it ends in none."""
    start = before.replace("{{", "  ").rfind("{")
    return before[start + 1 :] if start > before.rfind("}") else None


def _expression_items(
    before: str, variables: Mapping[str, FieldType], names: Names
) -> Iterator[CompletionItem]:
    """What may follow `before`, the text of an expression up to the cursor."""
    call = _IN_CALL.search(before)
    if call is not None and call["call"] in NAMED:
        for name in names.get(NAMED[call["call"]][2], ()):
            yield _item(name, CompletionItemKind.Reference)
        return
    found = _DOTTED.search(before)
    dotted = found[0] if found is not None else ""
    owner, dot, _ = dotted.rpartition(".")
    is_of_call = before[: len(before) - len(dotted)].endswith(".")
    of_namespace = [each for each in global_calls() if dot and each[0].startswith(f"{owner}.")]
    if of_namespace and not is_of_call:
        for name, about in of_namespace:
            yield _item(name, CompletionItemKind.Function, about, insert=f"{name}(")
    elif is_of_call and _CLOSEST.search(before) is not None:
        for name, about in CLOSEST_FIELDS.items():
            yield _item(name, CompletionItemKind.Field, about)
    elif is_of_call or (dot and field_at(owner, variables) is None):
        yield from _member_items(None)
    elif dot:
        field = field_at(owner, variables)
        for name, kind in (field.fields if field is not None else {}).items():
            about = field_help(f"{owner}.{name}", kind)
            yield _item(name, CompletionItemKind.Field, about, type_name(kind))
        if field is not None and field.kind is not Kind.RECORD:
            yield from _member_items(field)
    else:
        for name, kind in variables.items():
            about = field_help(name, kind)
            yield _item(name, CompletionItemKind.Variable, about, type_name(kind))
        for name, about in global_calls():
            yield _item(name, CompletionItemKind.Function, about, insert=f"{name}(")


def field_at(path: str, variables: Mapping[str, FieldType]) -> FieldType | None:
    """The type of a dotted path of these variables; None for an unknown one."""
    first, *names = path.split(".")
    found = variables.get(first)
    for name in names:
        found = found.fields.get(name) if found is not None else None
    return found


def _member_items(field: FieldType | None) -> Iterator[CompletionItem]:
    for name, about in members_of(field):
        yield _item(name, CompletionItemKind.Method, about, insert=f"{name}(")


def _item(
    label: str,
    kind: CompletionItemKind,
    documentation: str = "",
    detail: str = "",
    insert: str = "",
) -> CompletionItem:
    about = MarkupContent(MarkupKind.Markdown, documentation) if documentation else None
    return CompletionItem(
        label,
        kind=kind,
        documentation=about,
        detail=detail or None,
        insert_text=insert or None,
    )
