"""Finds a cursor's key in the table of keys: what is typed there, and what may stand there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from channels.definitions.keys import Key, KeyGroup, ValueKind
from engine.editor.cursor import ITEM, Cursor
from engine.rules.cameras import CAMERA_VARIABLES
from engine.rules.cameras import RULE_ID as CAMERA_RULE_ID
from engine.rules.expressions import TEMPLATE_VARIABLES
from engine.rules.keys import EXPECTED, FILE, TEST, TEST_FILE
from engine.rules.load import is_test_file
from engine.schema import EventSchema, FieldType

_WITH_ITEMS = frozenset(
    {ValueKind.NAMES, ValueKind.TEXTS, ValueKind.ONE_OR_MORE, ValueKind.VALUE, ValueKind.TEXT_MAP}
)


@dataclass(frozen=True, slots=True)
class Where:
    """What is typed at a cursor: a key of `group`, or the value of `key`; None for what it is not.

    In a test's event it is the key, or the value, of the field at the dotted path `event`.
    """

    group: KeyGroup | None = None
    key: Key | None = None
    event: str | None = None


def where(cursor: Cursor, file: str) -> Where:
    """What is typed at a cursor in a file of that name."""
    group = TEST_FILE if is_test_file(Path(file)) else FILE
    key, path = None, list(cursor.path)
    while path:
        step = path.pop(0)
        if key is None:
            if step == ITEM:
                continue  # of a channel that is a list
            key = group.find(step)
            if key is None:
                return Where()
            continue
        match key.kind:
            case ValueKind.GROUPS if step == ITEM and key.group is not None:
                group, key = key.group, None
            case ValueKind.NAMED if key.group is not None:
                group, key = key.group, None
            case ValueKind.GROUP if key.group is not None:
                group, key = key.group, key.group.find(step)
                if key is None:
                    return Where()
            case ValueKind.EVENT | ValueKind.EVENTS if step == ITEM and not path:
                return Where(key=key, event="")
            case ValueKind.EVENT | ValueKind.EVENTS:
                return _in_event(key, [step, *path])
            case ValueKind.EXPECTATION | ValueKind.EXPECTED_RULES if step == ITEM:
                pass
            case ValueKind.EXPECTED_RULES:
                key = TEST.find("expect")
            case ValueKind.EXPECTATION:
                group, key = EXPECTED, EXPECTED.find(step)
                if key is None:
                    return Where()
            case kind if kind in _WITH_ITEMS:
                pass
            case _:
                return Where()
    return _at_end(group, key, cursor)


def template_variables(cursor: Cursor, schema: EventSchema) -> Mapping[str, FieldType]:
    """What a template at the cursor may show."""
    if cursor.path[:1] == (CAMERA_RULE_ID,):
        return CAMERA_VARIABLES
    return {**schema.variables, **TEMPLATE_VARIABLES}


def _in_event(key: Key, path: Sequence[str]) -> Where:
    return Where(key=key, event=".".join(step for step in path if step != ITEM))


def _at_end(group: KeyGroup, key: Key | None, cursor: Cursor) -> Where:
    if key is None:
        # An item, or a named thing, that is one text: a channel's URL.
        return Where(group=group) if cursor.is_key or cursor.path[-1:] == (ITEM,) else Where()
    if key.kind is ValueKind.EVENT:
        return Where(key=key, event="") if cursor.is_key else Where()
    if not cursor.is_key:
        return Where(key=key)
    match key.kind:
        case ValueKind.GROUP:
            return Where(group=key.group)
        case ValueKind.EXPECTATION:
            return Where(key.group, key)
        case ValueKind.GROUPS | ValueKind.NAMED | ValueKind.TEXT_MAP | ValueKind.EVENTS:
            return Where()
        case _:
            # A value on the lines below its key.
            return Where(key=key)
