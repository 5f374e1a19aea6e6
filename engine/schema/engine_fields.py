"""The fields that the engine itself reads from events, whatever the rules use.

All code that reads one of them uses the names below and `value_at`. A schema is checked for them
when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.schema.field_type import FieldType, Kind

EVENT_ID: Final = "event_id"
CAPTURED_AT: Final = "captured_at"
CAMERA_ID: Final = "camera_id"
TRACK_ID: Final = "track_id"
PLATE_TEXT: Final = "plate.text"
NORMALIZED_PLATE: Final = "plate.normalized_text"
PLATE_IMAGE: Final = "images.plate_url"

_TEXT: Final = frozenset({Kind.STRING})
_TIME: Final = frozenset({Kind.STRING, Kind.TIMESTAMP})
_CHANGE: Final = "give it that type here and where it is sent"
_NEEDED: Final[Mapping[frozenset[Kind], str]] = {
    _TEXT: "a string",
    _TIME: "a string in ISO 8601, or a long with the logical type timestamp-millis or -micros",
}


@dataclass(frozen=True, slots=True)
class EngineField:
    """A field that the engine reads itself; `use` says what for.

    A required field must be in the schema. A field in the schema must be of one of `kinds`, and may
    be nullable: the engine can do without the value in a single event.
    """

    path: str
    use: str
    is_required: bool = False
    kinds: frozenset[Kind] = _TEXT

    @property
    def needed(self) -> str:
        """The Avro types that it may have, as messages name them."""
        return _NEEDED[self.kinds]


ENGINE_FIELDS: Final = (
    EngineField(CAPTURED_AT, "the time of the event", is_required=True, kinds=_TIME),
    EngineField(CAMERA_ID, "cooldowns by camera, messages and logs", is_required=True),
    EngineField(NORMALIZED_PLATE, "cooldowns by plate, messages and logs", is_required=True),
    EngineField(PLATE_TEXT, "masking plates in logs"),
    EngineField(TRACK_ID, "cooldowns by track"),
    EngineField(PLATE_IMAGE, "the link to the picture in messages"),
    EngineField(EVENT_ID, "showing which reading it was"),
)


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of an event; None where it, or a record on the way, is absent."""
    found: Any = values
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def engine_faults(
    field: Callable[[str], FieldType | None], written: Callable[[str], str]
) -> Iterator[str]:
    """The reasons why the engine can't work with a schema, each with its remedy.

    `field` gives the type at a dotted path, None where there is none; `written` the name of its
    Avro type for people.
    """
    for each in ENGINE_FIELDS:
        record, _, name = each.path.rpartition(".")
        parent = field(record) if record else None
        found = field(each.path)
        if found is not None:
            if found.kind not in each.kinds:
                yield _wrong(each, written(each.path))
        elif not each.is_required:
            continue
        elif parent is not None and parent.kind is not Kind.RECORD:
            yield (
                f"`{record}` is {written(record)}, but the engine needs a record with the string "
                f"`{name}` there, for {each.use}: {_CHANGE}"
            )
        else:
            yield _missing(each)


def _wrong(each: EngineField, written: str) -> str:
    if each.kinds is _TIME and written in ("long", "null or long"):
        remedy = 'add "logicalType": "timestamp-millis" to the long, or "timestamp-micros"'
    elif each.is_required:
        remedy = _CHANGE
    else:
        remedy = "give it that type, or leave it out of this file: the engine can do without it"
    return (
        f"`{each.path}` is {written}, but the engine needs {each.needed}, for {each.use}: {remedy}"
    )


def _missing(each: EngineField) -> str:
    record, _, name = each.path.rpartition(".")
    where = f"the fields of the record `{record}`" if record else "its fields"
    return (
        f"`{each.path}` is missing, but the engine needs {each.needed} there, for {each.use}: "
        f'add {{"name": "{name}", "type": "string"}} to {where}, with "aliases": ["…"] if it is '
        'sent by another name, and "default": "" if it may not be sent at all'
    )
