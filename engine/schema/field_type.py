"""The types of an event's fields, and the completion of a partial event by its types."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from engine.errors import EventError
from engine.schema.domain import Domain

NO_FIELDS: Final[Mapping[str, FieldType]] = MappingProxyType({})
_INT_RANGE: Final = range(-(2**63), 2**63)


class Kind(StrEnum):
    """The kind of a value: INT covers Avro's int and long, DOUBLE float and double, STRING enums.

    No field has the last four kinds; only expressions do.
    """

    STRING = "string"
    INT = "int"
    DOUBLE = "double"
    BOOL = "bool"
    BYTES = "bytes"
    RECORD = "record"
    LIST = "list"
    MAP = "map"
    TIMESTAMP = "timestamp"
    NULL = "null"
    UINT = "uint"
    DURATION = "duration"
    TYPE = "type"


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field or expression.

    `fields` are those of a record, `element` is the type of a list's items or a map's values, `key`
    that of a map's keys, None where it is unknown. `doc` is the schema's description. `zero` is the
    value of a field that a partial event leaves out: its Avro default, or else an empty string, 0,
    0.0, false, or a record of such values. `domain` are the values that the schema promises. Types
    that differ only in `zero` or `domain` are equal.
    """

    kind: Kind
    nullable: bool = False
    fields: Mapping[str, FieldType] = field(default_factory=lambda: NO_FIELDS)
    element: FieldType | None = None
    doc: str = ""
    zero: Any = field(default=None, compare=False, repr=False)
    key: FieldType | None = None
    domain: Domain | None = field(default=None, compare=False)


def complete(field_type: FieldType, value: Any, path: str = "") -> Any:
    """A copy of `value` with the missing fields of its records filled in.

    `path` is its dotted name, for messages. EventError names a field that is unknown or of the
    wrong type.
    """
    if value is None:
        if field_type.nullable:
            return None
        raise EventError(f"`{path or 'the event'}` can't be null")
    match field_type.kind:
        case Kind.RECORD:
            return _complete_record(field_type, value, path)
        case Kind.LIST | Kind.MAP:
            return _complete_container(field_type, value, path)
        case _:
            return _scalar(field_type.kind, value, path)


def _complete_record(field_type: FieldType, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(path or "the event", field_type.kind, value)
    for name in value:
        if name not in field_type.fields:
            raise _unknown(name, path, field_type.fields)
    return {
        name: complete(inner, value[name], f"{path}.{name}" if path else name)
        if name in value
        else deepcopy(inner.zero)
        for name, inner in field_type.fields.items()
    }


def _complete_container(field_type: FieldType, value: Any, path: str) -> Any:
    element = field_type.element
    assert element is not None
    if field_type.kind is Kind.MAP:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _wrong(path, field_type.kind, value)
        return {key: complete(element, item, f"{path}.{key}") for key, item in value.items()}
    if not isinstance(value, list | tuple):
        raise _wrong(path, field_type.kind, value)
    return [complete(element, item, f"{path}[{i}]") for i, item in enumerate(value)]


def _scalar(kind: Kind, value: Any, path: str) -> Any:
    match kind, value:
        case (Kind.BOOL, bool()) | (Kind.BYTES, bytes()):
            return value
        case (Kind.STRING, str()):
            return _text(value, path)
        case (Kind.INT, int()) if not isinstance(value, bool):
            if value not in _INT_RANGE:
                raise EventError(f"`{path}` is beyond 64 bits")
            return value
        case (Kind.DOUBLE, float()):
            return value
        case (Kind.DOUBLE, int()) if not isinstance(value, bool):
            return _double(value, path)
        case (Kind.BYTES, str()):
            return _latin_bytes(value, path)
        case (Kind.TIMESTAMP, datetime() | str()):
            return _timestamp(value, path)
        case _:
            raise _wrong(path, kind, value)


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise EventError(f"`{path}` holds half a surrogate pair") from error
    return value


def _double(value: int, path: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise EventError(f"`{path}` is beyond the range of a double") from error


def _latin_bytes(value: str, path: str) -> bytes:
    """Bytes from Avro's JSON encoding, which writes one character for each byte."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise EventError(f"`{path}` holds characters that are not bytes") from error


def is_instant(text: str) -> bool:
    """Whether the text is an ISO 8601 timestamp with a zone."""
    try:
        _timestamp(text, "")
    except EventError:
        return False
    return True


def _timestamp(value: datetime | str, path: str) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise EventError(f"`{path}` is not an ISO 8601 timestamp") from error
    raise EventError(f"`{path}` is a timestamp without a zone")


_NAMES: Final[Mapping[type, str]] = {
    str: "a string",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    bytes: "bytes",
    list: "a list",
    dict: "a record",
}
_WANTED: Final[Mapping[Kind, str]] = {
    Kind.STRING: "a string",
    Kind.INT: "a whole number",
    Kind.DOUBLE: "a number",
    Kind.BOOL: "a boolean",
    Kind.BYTES: "bytes",
    Kind.RECORD: "a record",
    Kind.LIST: "a list",
    Kind.MAP: "a map with text keys",
    Kind.TIMESTAMP: "a timestamp",
}


def _wrong(path: str, kind: Kind, value: Any) -> EventError:
    given = _NAMES.get(type(value), f"a {type(value).__name__}")
    return EventError(f"`{path}` must be {_WANTED[kind]}, not {given}")


def _unknown(name: Any, path: str, known: Mapping[str, FieldType]) -> EventError:
    dotted = f"{path}.{name}" if path else str(name)
    near = get_close_matches(str(name), known, n=1)
    if near:
        suggestion = f"{path}.{near[0]}" if path else near[0]
        return EventError(f"unknown field `{dotted}`, did you mean `{suggestion}`?")
    return EventError(f"unknown field `{dotted}`, known are {', '.join(known)}")
