"""What a writer's Avro schema means for ours: whether it can be read, and what follows reading.

Pure: takes schemas as fastavro parses them, with logical types moved to the key `LOGICAL`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from engine.float32 import shortest

LOGICAL: Final = "x-logical-type"
MAX_DEPTH: Final = 64
Convert = Callable[[Any], Any]
Named = Mapping[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PROMOTIONS: Final[Mapping[str, frozenset[str]]] = {
    "int": frozenset({"int", "long", "float", "double"}),
    "long": frozenset({"long", "float", "double"}),
    "float": frozenset({"float", "double"}),
    "string": frozenset({"string", "bytes"}),
    "bytes": frozenset({"bytes", "string"}),
}
_TIMESTAMP_UNITS: Final[Mapping[str, int]] = {"timestamp-millis": 1000, "timestamp-micros": 1}
_SHAPE_KEYS: Final = ("type", "name", "fields", "items", "values", "symbols", "size")


@dataclass(frozen=True, slots=True)
class Resolution:
    """How to read a writer's values: `convert`, where there is one, is applied to what was read.

    `problems` says, field by field, why the schemas can't be resolved at all; `doubtful` are the
    fields that the writer may give a value which ours does not take (a null, as a rule).
    """

    problems: tuple[str, ...] = ()
    convert: Convert | None = None
    doubtful: tuple[str, ...] = ()


def timestamp_unit(schema: Any) -> int | None:
    """Microseconds in one unit of an Avro timestamp type; None for every other type."""
    return _TIMESTAMP_UNITS.get(schema.get(LOGICAL, "")) if isinstance(schema, dict) else None


def timestamp(value: int, unit: int) -> datetime:
    """The instant that many units (of so many microseconds) after the epoch; OverflowError."""
    return _EPOCH + timedelta(microseconds=value * unit)


def move_logical_types(schema: Any, depth: int = 0) -> Any:
    """A copy of a schema's JSON whose logical types fastavro does not act on.

    Left to itself it makes a UUID of a string because the *writer* calls it one. ValueError for
    a schema nested too deep to be walked safely.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(schema, list):
        return [move_logical_types(item, depth + 1) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        LOGICAL if key == "logicalType" else key: move_logical_types(item, depth + 1)
        for key, item in schema.items()
    }


def is_same_shape(writer: Any, reader: Any) -> bool:
    """Whether the two differ in nothing that matters for reading (texts, defaults, aliases)."""
    return bool(_shape(writer) == _shape(reader))


def _shape(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_shape(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: schema[key] for key in _SHAPE_KEYS if key in schema}
    if kept.keys() == {"type"}:
        return _shape(kept["type"])
    for key in ("items", "values"):
        if key in kept:
            kept[key] = _shape(kept[key])
    if "fields" in kept:
        kept["fields"] = [(entry["name"], _shape(entry["type"])) for entry in kept["fields"]]
    return kept


def danger_of(schema: Any, named: Named) -> str:
    """Why values of this writer's schema can't be read safely; empty if they can.

    fastavro crashes the process on deep values of a recursive type, and a few bytes can claim any
    number of list items that take no bytes.
    """
    danger, _ = _Danger(named).of(schema)
    return danger


class _Danger:
    def __init__(self, named: Named) -> None:
        self._named = named
        self._open: set[str] = set()
        self._known: dict[str, tuple[str, bool]] = {}

    def of(self, schema: Any) -> tuple[str, bool]:
        """The danger, and whether a value takes at least one byte."""
        schema = _full(schema, self._named)
        if isinstance(schema, list):
            found = [self.of(branch)[0] for branch in schema]
            return next(filter(None, found), ""), True
        match schema["type"]:
            case "record" | "error":
                return self._record(schema)
            case "array":
                danger, takes_bytes = self.of(schema["items"])
                if not danger and not takes_bytes:
                    danger = "it has lists of items that take no bytes"
                return danger, True
            case "map":
                return self.of(schema["values"])[0], True
            case "fixed":
                return "", schema["size"] > 0
            case kind:
                return "", kind != "null"

    def _record(self, schema: Mapping[str, Any]) -> tuple[str, bool]:
        name = schema["name"]
        if name in self._open:
            return f"the record {name} holds itself", True
        if name not in self._known:
            self._open.add(name)
            found = [self.of(entry["type"]) for entry in schema["fields"]]
            self._open.discard(name)
            danger = next((danger for danger, _ in found if danger), "")
            self._known[name] = (danger, any(takes_bytes for _, takes_bytes in found))
        return self._known[name]


def resolve(writer: Any, writer_named: Named, reader: Any, reader_named: Named) -> Resolution:
    """Resolves two schemas as Avro does: fields by name, types by promotion, unions by branch."""
    return _Resolver(writer_named, reader_named).resolve(writer, reader, "")


class _Resolver:
    def __init__(self, writer_named: Named, reader_named: Named) -> None:
        self._writer_named = writer_named
        self._reader_named = reader_named

    def resolve(self, writer: Any, reader: Any, path: str) -> Resolution:
        writer = _full(writer, self._writer_named)
        reader = _full(reader, self._reader_named)
        if isinstance(writer, list):
            return _any_branch([self.resolve(branch, reader, path) for branch in writer], path)
        if isinstance(reader, list):
            fitting = [branch for branch in reader if self._is_kin(writer, branch)]
            if not fitting:
                return _mismatch(path, writer, reader)
            return self.resolve(writer, fitting[0], path)
        if not self._is_kin(writer, reader):
            return _mismatch(path, writer, reader)
        return self._resolve_kin(writer, reader, path)

    def _resolve_kin(self, writer: Any, reader: Any, path: str) -> Resolution:
        match writer["type"]:
            case "record" | "error":
                return self._record(writer, reader, path)
            case "array":
                inner = self.resolve(writer["items"], reader["items"], f"{path}[]")
                return replace(inner, convert=_each(inner.convert))
            case "map":
                inner = self.resolve(writer["values"], reader["values"], f"{path}[]")
                return replace(inner, convert=_each_value(inner.convert))
            case "float":
                return Resolution(convert=shortest)
            case _:
                return Resolution(convert=_to_timestamp(writer, reader))

    def _record(self, writer: Any, reader: Any, path: str) -> Resolution:
        ours = {entry["name"]: entry for entry in reader["fields"]}
        aliases = {alias: e for e in reader["fields"] for alias in e.get("aliases", ())}
        problems: list[str] = []
        doubtful: list[str] = []
        steps: list[tuple[str, Convert]] = []
        for entry in writer["fields"]:
            our = ours.get(entry["name"]) or aliases.get(entry["name"])
            if our is None or our["name"] not in ours:
                continue
            name = our["name"]
            del ours[name]
            inner = self.resolve(entry["type"], our["type"], f"{path}.{name}" if path else name)
            problems.extend(inner.problems)
            doubtful.extend(inner.doubtful)
            if inner.convert is not None:
                steps.append((name, inner.convert))
        problems.extend(
            f"`{f'{path}.{name}' if path else name}` is missing and has no default"
            for name, our in ours.items()
            if "default" not in our
        )
        return Resolution(tuple(problems), _each_field(tuple(steps)), tuple(doubtful))

    def _is_kin(self, writer: Any, reader: Any) -> bool:
        """Whether the types fit by themselves, whatever is inside them."""
        writer = _full(writer, self._writer_named)
        reader = _full(reader, self._reader_named)
        theirs, ours = writer["type"], reader["type"]
        if theirs in _PROMOTIONS:
            return ours in _PROMOTIONS[theirs]
        if theirs != ours:
            return False
        if "name" not in writer:
            return True
        name = writer["name"].rpartition(".")[2]
        aliases = reader.get("aliases", ())
        is_named = name == reader["name"].rpartition(".")[2] or name in aliases
        return bool(is_named or writer["name"] in aliases) and (
            writer.get("size") == reader.get("size")
        )


def _full(schema: Any, named: Named) -> Any:
    while isinstance(schema, dict) and not isinstance(schema["type"], str):
        schema = schema["type"]
    if isinstance(schema, str):
        return named.get(schema, {"type": schema})
    return schema


def _describe(schema: Any, named: Named) -> str:
    if isinstance(schema, list):
        return " or ".join(_describe(branch, named) for branch in schema)
    full = _full(schema, named)
    return f"{full['type']} {full['name']}" if "name" in full else str(full["type"])


def _mismatch(path: str, writer: Any, reader: Any) -> Resolution:
    where = f"`{path}`" if path else "the event"
    theirs, ours = _describe(writer, {}), _describe(reader, {})
    return Resolution((f"{where} is written as {theirs}, which can't be read as {ours}",))


def _any_branch(found: list[Resolution], path: str) -> Resolution:
    """A branch that does not fit is an error only for the values of that branch."""
    good = [each for each in found if not each.problems]
    if not good:
        return found[-1] if found else Resolution((f"`{path}` is written as an empty union",))
    doubtful = dict.fromkeys(name for each in good for name in each.doubtful)
    if len(good) < len(found):
        doubtful[path] = None
    convert = next((each.convert for each in good if each.convert is not None), None)
    return Resolution((), convert, tuple(doubtful))


def _each_field(steps: tuple[tuple[str, Convert], ...]) -> Convert | None:
    if not steps:
        return None

    def convert(record: dict[str, Any]) -> dict[str, Any]:
        for name, step in steps:
            value = record[name]
            if value is not None:
                record[name] = step(value)
        return record

    return convert


def _each(step: Convert | None) -> Convert | None:
    if step is None:
        return None
    return lambda values: [None if value is None else step(value) for value in values]


def _each_value(step: Convert | None) -> Convert | None:
    if step is None:
        return None
    return lambda values: {
        key: None if value is None else step(value) for key, value in values.items()
    }


def _to_timestamp(writer: Any, reader: Any) -> Convert | None:
    unit = timestamp_unit(writer) or timestamp_unit(reader)
    if timestamp_unit(reader) is None or unit is None:
        return None
    return lambda value: timestamp(value, unit)
