"""Resolves a writer's Avro schema against ours, and converts the writer's values to ours.

Values are decoded by the writer's schema alone, which checks every byte, and converted afterwards.
fastavro's own resolution takes twice the time, and does not check bytes that it skips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import DecodeError
from engine.schema.avro import (
    NamedTypes,
    bounded_timestamp,
    full_schema,
    instant_text,
    local_text,
    local_timestamp_unit,
    shortest,
    timestamp,
    timestamp_unit,
    type_text,
)
from engine.schema.engine_fields import CAPTURED_AT

Fit = Callable[[Any], Any]
"""Converts a writer's value, which it may change, to ours; raises DecodeError if ours can't be."""

_PROMOTIONS: Final[Mapping[str, frozenset[str]]] = {
    "int": frozenset({"int", "long", "float", "double"}),
    "long": frozenset({"long", "float", "double"}),
    "float": frozenset({"float", "double"}),
    "string": frozenset({"string", "bytes"}),
    "bytes": frozenset({"bytes", "string"}),
}
# The Python types of the values that fastavro decodes.
_PYTHON_TYPES: Final[Mapping[str, type]] = {
    "null": type(None),
    "string": str,
    "enum": str,
    "bytes": bytes,
    "fixed": bytes,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": bool,
    "array": list,
    "map": dict,
    "record": dict,
    "error": dict,
}


@dataclass(frozen=True, slots=True)
class Resolution:
    """The result of resolving two schemas.

    `fit` converts the writer's values; None where they need no conversion. `problems` says, field
    by field, why the schemas can't be resolved.
    """

    problems: tuple[str, ...] = ()
    fit: Fit | None = None


def resolve(
    writer: Any, writer_named: NamedTypes, reader: Any, reader_named: NamedTypes
) -> Resolution:
    """Resolves two schemas as Avro does: fields by name, types by promotion, unions by branch."""
    return _Resolver(writer_named, reader_named).resolve(writer, reader, "")


class _Resolver:
    def __init__(self, writer_named: NamedTypes, reader_named: NamedTypes) -> None:
        self._writer_named = writer_named
        self._reader_named = reader_named

    def resolve(self, writer: Any, reader: Any, path: str) -> Resolution:
        writer = full_schema(writer, self._writer_named)
        reader = full_schema(reader, self._reader_named)
        if isinstance(writer, list):
            return self._union(writer, reader, path)
        if isinstance(reader, list):
            kin = [branch for branch in reader if self._is_kin(writer, branch)]
            return self.resolve(writer, kin[0], path) if kin else _mismatch(path, writer, reader)
        if not self._is_kin(writer, reader):
            return _mismatch(path, writer, reader)
        return self._resolve_kin(writer, reader, path)

    def _union(self, branches: list[Any], reader: Any, path: str) -> Resolution:
        """Resolves a union; a branch that does not fit is an error only for its own values."""
        found = [(branch, self.resolve(branch, reader, path)) for branch in branches]
        bad = [resolution for _, resolution in found if resolution.problems]
        if len(bad) == len(found):
            return bad[-1] if bad else Resolution((f"{_where(path)} is written as no type",))
        fits: dict[type, Fit | None] = {}
        for branch, resolution in found:
            kind = full_schema(branch, self._writer_named)["type"]
            fit = _refusal(path, kind) if resolution.problems else resolution.fit
            if fits.setdefault(_PYTHON_TYPES.get(kind, object), fit) is not fit:
                return Resolution((f"{_where(path)} is written as one of too similar types",))
        return Resolution(fit=_by_type(fits))

    def _resolve_kin(self, writer: Any, reader: Any, path: str) -> Resolution:
        theirs, ours = writer["type"], reader["type"]
        match theirs:
            case "record" | "error":
                return self._record(writer, reader, path)
            case "array":
                inner = self.resolve(writer["items"], reader["items"], f"{path}[]")
                return Resolution(inner.problems, _each(inner.fit))
            case "map":
                inner = self.resolve(writer["values"], reader["values"], f"{path}[]")
                return Resolution(inner.problems, _each_value(inner.fit))
            case "enum":
                return Resolution(fit=_symbols(writer, reader, path))
            case "float":
                return Resolution(fit=shortest)
            case "int" | "long" if ours in ("float", "double"):
                return Resolution(fit=float)
            case "string" if ours == "bytes":
                return Resolution(fit=str.encode)
            case "bytes" if ours == "string":
                return Resolution(fit=bytes.decode)
            case _:
                return _time(writer, reader, path)

    def _record(self, writer: Any, reader: Any, path: str) -> Resolution:
        ours = {entry["name"]: entry for entry in reader["fields"]}
        aliases = {alias: entry for entry in ours.values() for alias in entry.get("aliases", ())}
        problems: list[str] = []
        plan = _RecordPlan()
        for entry in writer["fields"]:
            our = ours.get(entry["name"]) or aliases.get(entry["name"])
            if our is None or our["name"] not in ours:
                plan.dropped.append(entry["name"])
                continue
            name = our["name"]
            del ours[name]
            inner = self.resolve(entry["type"], our["type"], f"{path}.{name}" if path else name)
            problems.extend(inner.problems)
            if name != entry["name"]:
                plan.renamed.append((entry["name"], name))
            if inner.fit is not None:
                plan.steps.append((name, inner.fit))
        for name, our in ours.items():
            if "default" in our:
                plan.added.append((name, our["default"]))
            else:
                where = _where(f"{path}.{name}" if path else name)
                problems.append(f"{where} is missing and has no default")
        return Resolution(tuple(problems), plan.fit())

    def _is_kin(self, writer: Any, reader: Any) -> bool:
        """Whether the types themselves fit; their fields and items are not compared."""
        writer = full_schema(writer, self._writer_named)
        reader = full_schema(reader, self._reader_named)
        theirs, ours = writer["type"], reader["type"]
        if ours == "string" and _is_time(writer):
            return True
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


class _RecordPlan:
    """The steps that convert a writer's record to ours, in place."""

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.renamed: list[tuple[str, str]] = []
        self.added: list[tuple[str, Any]] = []
        self.steps: list[tuple[str, Fit]] = []

    def fit(self) -> Fit | None:
        steps = tuple(self.steps)
        if not (self.dropped or self.renamed or self.added):
            return _each_field(steps) if steps else None
        dropped, renamed, added = tuple(self.dropped), tuple(self.renamed), tuple(self.added)

        def fit(record: dict[str, Any]) -> dict[str, Any]:
            for name in dropped:
                del record[name]
            for theirs, ours in renamed:
                record[ours] = record.pop(theirs)
            for name, default in added:
                record[name] = deepcopy(default)
            for name, step in steps:
                record[name] = step(record[name])
            return record

        return fit


def _each_field(steps: tuple[tuple[str, Fit], ...]) -> Fit:
    def fit(record: dict[str, Any]) -> dict[str, Any]:
        for name, step in steps:
            record[name] = step(record[name])
        return record

    return fit


def _each(step: Fit | None) -> Fit | None:
    if step is None:
        return None
    return lambda values: [step(value) for value in values]


def _each_value(step: Fit | None) -> Fit | None:
    if step is None:
        return None
    return lambda values: {key: step(value) for key, value in values.items()}


def _by_type(fits: Mapping[type, Fit | None]) -> Fit | None:
    """Converts by the value's type; null or one other type, the usual case, is a comparison."""
    if not any(fits.values()):
        return None
    given = [fit for kind, fit in fits.items() if kind is not type(None)]
    if len(given) == 1 and fits.get(type(None), given) is None:
        step = given[0]
        assert step is not None
        return lambda value: None if value is None else step(value)

    def fit(value: Any) -> Any:
        step = fits[type(value)]
        return value if step is None else step(value)

    return fit


def _symbols(writer: Any, reader: Any, path: str) -> Fit | None:
    unknown = frozenset(writer["symbols"]) - frozenset(reader["symbols"])
    if not unknown:
        return None
    default = reader.get("default")

    def fit(symbol: str) -> str:
        if symbol not in unknown:
            return symbol
        if default is None:
            raise DecodeError(f"{_where(path)} is a symbol that our schema does not know")
        return str(default)

    return fit


def _is_time(schema: Any) -> bool:
    return timestamp_unit(schema) is not None or local_timestamp_unit(schema) is not None


def _time(writer: Any, reader: Any, path: str) -> Resolution:
    """How a writer's long becomes our timestamp or our text of a time, where ours is one.

    The writer's unit counts, or else ours. A timestamp becomes a text with a zone, a local
    timestamp one without.
    """
    is_instant = timestamp_unit(reader) is not None
    if not (is_instant or local_timestamp_unit(reader) is not None or reader["type"] == "string"):
        return Resolution()
    if is_instant and local_timestamp_unit(writer) is not None:
        return _mismatch(path, writer, reader)
    unit = (
        timestamp_unit(writer)
        or local_timestamp_unit(writer)
        or timestamp_unit(reader)
        or local_timestamp_unit(reader)
    )
    if unit is None:
        return Resolution()
    count = unit
    moment = bounded_timestamp if path == CAPTURED_AT else timestamp
    if is_instant:
        return Resolution(fit=lambda value: moment(value, count))
    text = instant_text if timestamp_unit(writer) is not None else local_text
    return Resolution(fit=lambda value: text(moment(value, count)))


def _refusal(path: str, kind: str) -> Fit:
    def fit(value: Any) -> Any:
        raise DecodeError(f"{_where(path)} is {kind}, which our schema does not take")

    return fit


def _where(path: str) -> str:
    return f"`{path}`" if path else "the event"


def _mismatch(path: str, writer: Any, reader: Any) -> Resolution:
    theirs, ours = type_text(writer, {}), type_text(reader, {})
    return Resolution((f"{_where(path)} is written as {theirs}, which can't be read as {ours}",))
