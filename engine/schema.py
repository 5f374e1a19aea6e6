"""The Avro schema of events: the types that rules see, and the reading of event bodies.

The only module that touches fastavro, and free of Kafka: it takes the body after the wire header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from engine.errors import SchemaError

TIME_VARIABLE: Final = "time"
NO_FIELDS: Final[Mapping[str, FieldType]] = MappingProxyType({})


class Kind(StrEnum):
    """What a value is: INT covers Avro's int and long, DOUBLE float and double, STRING enums."""

    STRING = "string"
    INT = "int"
    DOUBLE = "double"
    BOOL = "bool"
    BYTES = "bytes"
    RECORD = "record"
    LIST = "list"
    MAP = "map"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field: `fields` of a record, `element` of a list or of a map's values.

    `zero` is the value of a field that nothing is said about: its Avro default, or else an empty
    string, 0, 0.0, false, or a record of such values.
    """

    kind: Kind
    nullable: bool = False
    fields: Mapping[str, FieldType] = field(default_factory=lambda: NO_FIELDS)
    element: FieldType | None = None
    doc: str = ""
    zero: Any = field(default=None, compare=False, repr=False)


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
class EventSchema:
    """One record schema: `variables` are its top-level fields and `time`, the event's instant."""

    name: str
    text: str
    variables: Mapping[str, FieldType]
    root: FieldType = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> EventSchema:
        """Reads an `.avsc` file; SchemaError names the file and what is wrong with it."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SchemaError(f"{path}: can't be read: {error}") from error
        try:
            return cls.parse(text)
        except SchemaError as error:
            raise SchemaError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, text: str) -> EventSchema:
        """Makes a schema of its JSON text; SchemaError says what is wrong with it."""
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise SchemaError(f"not JSON: {error}") from error
        named: dict[str, Any] = {}
        try:
            parsed = parse_schema(raw, named)
        except (SchemaParseException, UnknownType, KeyError, TypeError) as error:
            raise SchemaError(f"not an Avro schema: {error}") from error
        if not isinstance(parsed, dict) or parsed.get("type") != "record":
            raise SchemaError("the event's schema must be a record")
        root = _Types(named).of(parsed, "")
        if TIME_VARIABLE in root.fields:
            raise SchemaError(
                "a field can't be named `time`, which is the event's instant in rules"
            )
        time = FieldType(Kind.TIMESTAMP, doc="The event's instant, from `captured_at`.")
        variables = MappingProxyType({**root.fields, TIME_VARIABLE: time})
        return cls(str(parsed["name"]), text, variables, root)

    def field(self, path: str) -> FieldType | None:
        """The type at a dotted path; nullable also where a record on the way may be absent."""
        first, *rest = path.split(".")
        found = self.variables.get(first)
        nullable = found is not None and found.nullable
        for name in rest:
            found = found.fields.get(name) if found is not None else None
            nullable = nullable or (found is not None and found.nullable)
        if found is None or found.nullable == nullable:
            return found
        return FieldType(found.kind, nullable, found.fields, found.element, found.doc, found.zero)


class _Types:
    """Field types of a parsed Avro schema; `named` are its named types."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._open: list[str] = []

    def of(self, avro: Any, path: str, doc: str = "") -> FieldType:
        """The type of an Avro schema; `path` names the field in errors."""
        if isinstance(avro, list):
            return self._union(avro, path, doc)
        if isinstance(avro, str):
            if avro in self._named:
                return self.of(self._named[avro], path, doc)
            avro = {"type": avro}
        name = avro["type"]
        if name in {"record", "error"}:
            return self._record(avro, path, doc)
        if name == "array":
            return FieldType(
                Kind.LIST, element=self.of(avro["items"], f"{path}[]"), doc=doc, zero=[]
            )
        if name == "map":
            return FieldType(
                Kind.MAP, element=self.of(avro["values"], f"{path}[]"), doc=doc, zero={}
            )
        if name == "enum":
            zero = avro.get("default", avro["symbols"][0] if avro["symbols"] else "")
            return FieldType(Kind.STRING, doc=doc, zero=zero)
        if name == "fixed":
            return FieldType(Kind.BYTES, doc=doc, zero=bytes(avro["size"]))
        if name not in _PRIMITIVES:
            raise SchemaError(f"`{path}`: the type {name} is not supported")
        kind, zero = _PRIMITIVES[name]
        return FieldType(kind, doc=doc, zero=zero)

    def _union(self, branches: list[Any], path: str, doc: str) -> FieldType:
        given = [branch for branch in branches if branch not in ("null", {"type": "null"})]
        if len(given) != 1:
            raise SchemaError(f"`{path}`: a union must be of one type, or of null and one type")
        inner = self.of(given[0], path, doc)
        nullable = len(branches) > 1
        zero = None if nullable else inner.zero
        return FieldType(inner.kind, nullable, inner.fields, inner.element, doc, zero)

    def _record(self, avro: Mapping[str, Any], path: str, doc: str) -> FieldType:
        if avro["name"] in self._open:
            raise SchemaError(f"`{path}`: the record {avro['name']} holds itself")
        self._open.append(avro["name"])
        fields: dict[str, FieldType] = {}
        for entry in avro["fields"]:
            name = entry["name"]
            inner = f"{path}.{name}" if path else name
            fields[name] = self.of(entry["type"], inner, entry.get("doc", ""))
        self._open.pop()
        zero = {name: inner.zero for name, inner in fields.items()}
        return FieldType(Kind.RECORD, False, MappingProxyType(fields), None, doc, zero)
