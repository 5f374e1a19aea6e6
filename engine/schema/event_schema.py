"""The event schema: the variables of its rules, and readers of Avro bodies.

It knows nothing of Kafka: it takes the body after the wire header.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

from fastavro import schemaless_reader
from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from engine.errors import DecodeError, EventError, SchemaError
from engine.schema.avro import (
    NamedTypes,
    full_schema,
    local_text,
    local_timestamp_unit,
    prepared_for_fastavro,
    timestamp,
    timestamp_unit,
    type_text,
    units_since_epoch,
    unsafe_reason,
)
from engine.schema.engine_fields import engine_faults
from engine.schema.field_type import FieldType, Kind, Promises, complete, domain_of
from engine.schema.resolution import Fit, resolve

TIME_VARIABLE: Final = "time"
_MAX_PROBLEMS: Final = 5
_TOO_SHORT: Final = "the body ends before the event does"
_NO_BRANCH: Final = "the body names a branch of a type that does not exist"

Reader = Callable[[bytes], dict[str, Any]]
"""Makes an event's values of a body; raises DecodeError."""

_KEY: Final = FieldType(Kind.STRING)
_NO_ENTRY: Final[Mapping[str, Any]] = MappingProxyType({})

# What fastavro raises for bytes that are not of the schema.
_BROKEN: Final = (EOFError, LookupError, ValueError, OverflowError, TypeError, MemoryError)
_PRIMITIVES: Final[Mapping[str, tuple[Kind, Any]]] = {
    "string": (Kind.STRING, ""),
    "int": (Kind.INT, 0),
    "long": (Kind.INT, 0),
    "float": (Kind.DOUBLE, 0.0),
    "double": (Kind.DOUBLE, 0.0),
    "boolean": (Kind.BOOL, False),
    "bytes": (Kind.BYTES, b""),
}


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A schema as fastavro parses it, and its named types by full name."""

    schema: Any
    named: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventSchema:
    """A schema of events, which is a record.

    `variables` are its top-level fields and `time`, the event's instant. `name` is its full name,
    `text` its JSON. `promises` checks the limits that it gives to values.
    """

    name: str
    text: str
    variables: Mapping[str, FieldType]
    promises: Promises = field(repr=False, compare=False)
    _root: FieldType = field(repr=False, compare=False)
    _parsed: _Parsed = field(repr=False, compare=False)

    @classmethod
    def load(cls, path: Path) -> EventSchema:
        """Reads an `.avsc` file; SchemaError names the file and what is wrong with it."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SchemaError(f"{path}: can't be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise SchemaError(f"{path}: not UTF-8: {error}") from error
        try:
            return cls.parse(text)
        except SchemaError as error:
            raise SchemaError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, text: str) -> EventSchema:
        """Parses a schema's JSON text; SchemaError says what is wrong with it."""
        parsed = _parse(text)
        schema = parsed.schema
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise SchemaError("an event's schema must be a record")
        root = _Types(parsed.named).of(schema, "")
        if not root.fields:
            raise SchemaError("an event's schema must have fields")
        if TIME_VARIABLE in root.fields:
            raise SchemaError(
                "a field can't be named `time`, which is the event's instant: give it another "
                'name, with "aliases": ["time"]'
            )
        time = FieldType(Kind.TIMESTAMP, doc="The event's instant, from `captured_at`.")
        variables = MappingProxyType({**root.fields, TIME_VARIABLE: time})
        return cls(schema["name"], text, variables, Promises(root.fields), root, parsed)

    def field(self, path: str) -> FieldType | None:
        """The type at a dotted path, None for no such field.

        It is nullable also where a record on the path may be null.
        """
        first, *rest = path.split(".")
        found = self.variables.get(first)
        is_nullable = found is not None and found.nullable
        for name in rest:
            found = found.fields.get(name) if found is not None else None
            is_nullable = is_nullable or (found is not None and found.nullable)
        return replace(found, nullable=is_nullable) if found is not None else None

    def written_type(self, path: str) -> str:
        """The name of the Avro type at a dotted path, for people; "" for no such field."""
        schema, named = self._parsed.schema, self._parsed.named
        for name in path.split("."):
            entry = next((each for each in _entries(schema, named) if each["name"] == name), None)
            if entry is None:
                return ""
            schema = entry["type"]
        return type_text(schema, named)

    def complete(self, partial: Mapping[str, Any]) -> dict[str, Any]:
        """A complete event: missing fields get their Avro default, or else "", 0, 0.0 or false.

        Whole numbers are accepted for double fields. EventError names an unknown field, with a
        suggestion, or a value of the wrong type.
        """
        completed: dict[str, Any] = complete(self._root, partial)
        return completed

    def fitting(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of an event that fit this schema, at every depth; others are left out."""
        return _fitting(self._root, values)

    def writable(self, values: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
        """A complete event for an Avro writer: its timestamps become Avro's numbers.

        A local timestamp is in `zone`. EventError for a text that is no time.
        """
        parsed = self._parsed
        return cast("dict[str, Any]", _writable(values, parsed.schema, parsed.named, zone))

    def reader(self, writer_schema: str, references: Sequence[str] = ()) -> Reader:
        """A function that decodes a body (the bytes after the wire header) into an event's values.

        `writer_schema` is the JSON of the schema that the bytes were written with. `references` are
        the schemas that it refers to, each after those that it refers to itself. Of a union only
        the branch that a body names must fit this schema. A 32-bit float becomes the double of its
        shortest decimal.

        DecodeError where the writer's schema can't be read as this one, with the fields. The
        function raises DecodeError for bytes that are no event of the writer's schema.
        """
        try:
            parsed = _parse(writer_schema, references, with_defaults=False)
        except SchemaError as error:
            raise DecodeError(f"the writer's schema can't be used: {error}") from error
        reason = unsafe_reason(parsed.schema, parsed.named)
        if reason:
            raise DecodeError(f"the writer's schema can't be used: {reason}")
        if isinstance(parsed.schema, list):
            return self._union_reader(parsed.schema, parsed.named)
        return self._record_reader(parsed.schema, parsed.named)

    def stream_reader(self, writer_schema: str) -> Callable[[BytesIO], dict[str, Any]]:
        """A function that decodes the next body of a stream, as `reader` does; DecodeError.

        The writer's schema must be a record.
        """
        try:
            parsed = _parse(writer_schema, with_defaults=False)
        except SchemaError as error:
            raise DecodeError(f"the writer's schema can't be used: {error}") from error
        reason = unsafe_reason(parsed.schema, parsed.named)
        if reason or isinstance(parsed.schema, list):
            reason = reason or "it is a union"
            raise DecodeError(f"the writer's schema can't be used: {reason}")
        return _stream_reader(
            _by_itself(parsed.schema, parsed.named), self._fit(parsed.schema, parsed.named)
        )

    def from_avro_json(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """An event in Avro's JSON encoding, as console consumers print it, in plain values.

        There a value of a union is an object with the name of its type, and a timestamp is a
        number. What is plain already stays as it is. EventError for a time that is out of range.
        """
        parsed = self._parsed
        plain = _plain(values, parsed.schema, parsed.named)
        try:
            return cast("dict[str, Any]", _with_times(plain, parsed.schema, parsed.named))
        except OverflowError as error:
            raise EventError("a timestamp is out of range") from error

    def _record_reader(self, writer: Any, named: NamedTypes) -> Reader:
        return _body_reader(_by_itself(writer, named), self._fit(writer, named))

    def _fit(self, writer: Any, named: NamedTypes) -> Fit | None:
        """What converts a writer's values to ours; DecodeError where nothing does."""
        ours = self._parsed
        resolution = resolve(writer, named, ours.schema, ours.named)
        if resolution.problems:
            reasons = "; ".join(resolution.problems[:_MAX_PROBLEMS])
            more = len(resolution.problems) - _MAX_PROBLEMS
            raise DecodeError(
                f"the writer's schema does not fit {self.name}: {reasons}"
                + (f"; and {more} more" if more > 0 else "")
            )
        return resolution.fit

    def _union_reader(self, branches: list[Any], named: NamedTypes) -> Reader:
        """For a topic with several record types: a body begins with the number of its branch."""
        readers: list[Reader | DecodeError] = []
        for branch in branches:
            try:
                readers.append(self._record_reader(branch, named))
            except DecodeError as error:
                readers.append(error)
        misfits = [each for each in readers if isinstance(each, DecodeError)]
        if len(misfits) == len(readers):
            raise DecodeError(
                "; ".join(map(str, misfits[:_MAX_PROBLEMS])) or "the event is written as no type"
            )
        return _branch_reader(readers)


def load_event_schema(path: Path) -> EventSchema:
    """Loads the event schema of an `.avsc` file, and checks the fields that the engine reads.

    SchemaError names the file and what is wrong with it, one line for each field of `ENGINE_FIELDS`
    that is missing or of another type.
    """
    schema = EventSchema.load(path)
    faults = list(engine_faults(schema.field, schema.written_type))
    reason = unsafe_reason(schema._parsed.schema, schema._parsed.named)
    if reason:
        faults.append(
            f"{reason}, so no record of it can be read: leave that field out of this file"
        )
    if faults:
        raise SchemaError("\n".join(f"{path}: {fault}" for fault in faults))
    return schema


def _entries(schema: Any, named: NamedTypes) -> list[Any]:
    """The fields of a record, or of the record in a union; none of other types."""
    schema = full_schema(schema, named)
    branches = schema if isinstance(schema, list) else [schema]
    full = [full_schema(branch, named) for branch in branches]
    return [entry for branch in full for entry in branch.get("fields", ())]


def _parse(text: str, references: Sequence[str] = (), *, with_defaults: bool = True) -> _Parsed:
    """Parses the referenced schemas and then the schema itself; SchemaError."""
    named: dict[str, Any] = {}
    try:
        for each in (*references, text):
            raw = prepared_for_fastavro(json.loads(each), with_defaults=with_defaults)
            known = dict(named)
            schema = parse_schema(raw, named)
            if any(named[name] != kept for name, kept in known.items()):
                # fastavro would use the later definition for both.
                raise SchemaError("two of the schemas define one type in two ways")
        return _Parsed(schema, named)
    except UnknownType as error:
        raise SchemaError(f"the type {error.name} is defined nowhere in it") from error
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"not JSON that can be used: {error}") from error
    except (SchemaParseException, LookupError, TypeError, AttributeError) as error:
        raise SchemaError(f"not an Avro schema: {error!r}") from error


def _by_itself(schema: Any, named: NamedTypes) -> Any:
    """The schema in the form that fastavro reads with: it does not look up a bare name."""
    if isinstance(schema, str) and schema in named:
        return {**named[schema], "__fastavro_parsed": True, "__named_schemas": named}
    return schema


def _branch_reader(readers: Sequence[Reader | DecodeError]) -> Reader:
    def read(body: bytes) -> dict[str, Any]:
        stream = BytesIO(body)
        try:
            number = cast("int", schemaless_reader(stream, "long"))
        except (EOFError, LookupError) as error:
            raise DecodeError(_TOO_SHORT) from error
        if not 0 <= number < len(readers):
            raise DecodeError(_NO_BRANCH)
        reader = readers[number]
        if isinstance(reader, DecodeError):
            raise DecodeError(f"type {number + 1} of the writer's union: {reader}")
        return reader(body[stream.tell() :])

    return read


def _stream_reader(writer: Any, fit: Fit | None) -> Callable[[BytesIO], dict[str, Any]]:
    def read(stream: BytesIO) -> dict[str, Any]:
        try:
            values = cast("dict[str, Any]", schemaless_reader(stream, writer))
            if fit is not None:
                fit(values)
        except _BROKEN as error:
            raise DecodeError(_explain(error, stream.tell() >= len(stream.getbuffer()))) from error
        return values

    return read


def _body_reader(writer: Any, fit: Fit | None) -> Reader:
    # Not by `_stream_reader`: a call more for every event.
    def read(body: bytes) -> dict[str, Any]:
        stream = BytesIO(body)
        try:
            values = cast("dict[str, Any]", schemaless_reader(stream, writer))
            if fit is not None:
                fit(values)
        except _BROKEN as error:
            is_at_end = stream.tell() >= len(body)
            raise DecodeError(_explain(error, is_at_end)) from error
        if stream.tell() != len(body):
            raise DecodeError(f"{len(body) - stream.tell()} bytes follow the event's end")
        return values

    return read


def _explain(error: Exception, is_at_end: bool) -> str:
    """Why a body could not be read, without any value of it."""
    match error:
        case EOFError():
            return _TOO_SHORT
        case IndexError() if is_at_end:
            return _TOO_SHORT
        case UnicodeDecodeError():
            return f"a text in the body is not UTF-8: {error.reason}"
        case IndexError():
            return _NO_BRANCH
        case OverflowError():
            return "a timestamp in the body is out of range"
        case _:
            return f"the body is not of the writer's schema ({type(error).__name__})"


class _Types:
    """Makes field types of a parsed Avro schema; `named` are its named types.

    Defaults are written back into the schema as complete Python values, which resolution uses.
    """

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._open: list[str] = []

    def of(self, avro: Any, path: str, entry: Mapping[str, Any] = _NO_ENTRY) -> FieldType:
        """The type of an Avro schema; `path` names its field in errors, `entry` is its field."""
        avro = full_schema(avro, self._named)
        doc = entry.get("doc", "")
        if isinstance(avro, list):
            return self._union(avro, path, entry)
        kind = avro["type"]
        if timestamp_unit(avro) is not None:
            return FieldType(Kind.TIMESTAMP, doc=doc, zero=timestamp(0, 1))
        if local_timestamp_unit(avro) is not None:
            return FieldType(Kind.STRING, doc=doc, zero=local_text(timestamp(0, 1)))
        match kind:
            case "record":
                return self._record(avro, path, doc)
            case "array":
                element = self.of(avro["items"], f"{path}[]")
                return FieldType(Kind.LIST, element=element, doc=doc, zero=[])
            case "map":
                element = self.of(avro["values"], f"{path}[]")
                return FieldType(Kind.MAP, element=element, doc=doc, zero={}, key=_KEY)
            case "enum":
                zero = next(iter(avro["symbols"]), "")
                domain = domain_of(avro, entry, path)
                return FieldType(Kind.STRING, doc=doc, zero=zero, domain=domain)
            case "fixed":
                return FieldType(Kind.BYTES, doc=doc, zero=bytes(avro["size"]))
        if kind not in _PRIMITIVES:
            raise SchemaError(
                f"`{path}`: the type {kind} is not supported, leave the field out of this file"
            )
        primitive, zero = _PRIMITIVES[kind]
        return FieldType(primitive, doc=doc, zero=zero, domain=domain_of(avro, entry, path))

    def _union(self, branches: list[Any], path: str, entry: Mapping[str, Any]) -> FieldType:
        given = [branch for branch in branches if branch not in ("null", {"type": "null"})]
        if len(given) != 1:
            raise SchemaError(
                f"`{path}`: a union must be of one type, or of null and one type, so name the "
                "branch that rules need, or leave the field out of this file"
            )
        inner = self.of(given[0], path, entry)
        is_nullable = len(branches) > 1
        return replace(inner, nullable=is_nullable, zero=None if is_nullable else inner.zero)

    def _record(self, avro: Mapping[str, Any], path: str, doc: str) -> FieldType:
        if avro["name"] in self._open:
            raise SchemaError(f"`{path}`: the record {avro['name']} holds itself")
        self._open.append(avro["name"])
        fields: dict[str, FieldType] = {}
        for entry in avro["fields"]:
            name = entry["name"]
            inner = f"{path}.{name}" if path else name
            fields[name] = self._field(entry, inner)
        self._open.pop()
        zero = {name: inner.zero for name, inner in fields.items()}
        return FieldType(Kind.RECORD, fields=MappingProxyType(fields), doc=doc, zero=zero)

    def _field(self, entry: dict[str, Any], path: str) -> FieldType:
        found = self.of(entry["type"], path, entry)
        if "default" not in entry:
            return found
        try:
            default = _with_times(entry["default"], entry["type"], self._named)
            default = complete(found, default, path)
        except (EventError, OverflowError) as error:
            raise SchemaError(f"`{path}`: its default can't be used: {error}") from error
        entry["default"] = default
        return replace(found, zero=default)


def _fitting(record: FieldType, values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        field_type = record.fields.get(name)
        if field_type is None:
            continue
        if field_type.kind is Kind.RECORD and isinstance(value, Mapping):
            found[name] = _fitting(field_type, value)
            continue
        with suppress(EventError):
            found[name] = complete(field_type, value, name)
    return found


def _writable(value: Any, avro: Any, named: NamedTypes, zone: tzinfo) -> Any:
    avro = full_schema(avro, named)
    if isinstance(avro, list):
        given = [branch for branch in avro if full_schema(branch, named)["type"] != "null"]
        return None if value is None else _writable(value, given[0], named, zone)
    if (unit := timestamp_unit(avro)) is not None:
        return units_since_epoch(value, unit)
    if (unit := local_timestamp_unit(avro)) is not None:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise EventError("a local timestamp is not ISO 8601") from error
        local = moment if moment.tzinfo is None else moment.astimezone(zone)
        return units_since_epoch(local.replace(tzinfo=UTC), unit)
    match avro["type"]:
        case "record":
            types = {entry["name"]: entry["type"] for entry in avro["fields"]}
            return {n: _writable(item, types[n], named, zone) for n, item in value.items()}
        case "array":
            return [_writable(item, avro["items"], named, zone) for item in value]
        case "map":
            return {k: _writable(item, avro["values"], named, zone) for k, item in value.items()}
        case _:
            return value


def _plain(value: Any, avro: Any, named: NamedTypes) -> Any:
    """A value of Avro's JSON encoding without the names of types in unions."""
    avro = full_schema(avro, named)
    if isinstance(avro, list):
        if isinstance(value, dict) and len(value) == 1:
            ((name, inner),) = value.items()
            for branch in avro:
                if name in _branch_names(full_schema(branch, named)):
                    return _plain(inner, branch, named)
        given = [branch for branch in avro if full_schema(branch, named)["type"] != "null"]
        return value if value is None or len(given) != 1 else _plain(value, given[0], named)
    match avro["type"], value:
        case "record", dict():
            types = {entry["name"]: entry["type"] for entry in avro["fields"]}
            return {
                name: _plain(item, types[name], named) if name in types else item
                for name, item in value.items()
            }
        case "array", list():
            return [_plain(item, avro["items"], named) for item in value]
        case "map", dict():
            return {key: _plain(item, avro["values"], named) for key, item in value.items()}
        case _:
            return value


def _branch_names(avro: Mapping[str, Any]) -> tuple[str, ...]:
    name = avro.get("name", avro["type"])
    return (name, name.rpartition(".")[2])


def _with_times(value: Any, avro: Any, named: NamedTypes) -> Any:
    """A default in JSON form, with timestamps as readers give them: datetimes or texts."""
    avro = full_schema(avro, named)
    if isinstance(avro, list):
        given = [branch for branch in avro if full_schema(branch, named)["type"] != "null"]
        return value if value is None or len(given) != 1 else _with_times(value, given[0], named)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and (unit := timestamp_unit(avro)) is not None:
        return timestamp(value, unit)
    if is_number and (unit := local_timestamp_unit(avro)) is not None:
        return local_text(timestamp(value, unit))
    match avro["type"], value:
        case "record", dict():
            types = {entry["name"]: entry["type"] for entry in avro["fields"]}
            return {
                name: _with_times(item, types[name], named) if name in types else item
                for name, item in value.items()
            }
        case "array", list():
            return [_with_times(item, avro["items"], named) for item in value]
        case "map", dict():
            return {key: _with_times(item, avro["values"], named) for key, item in value.items()}
        case _:
            return value
