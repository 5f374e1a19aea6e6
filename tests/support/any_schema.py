"""Random schemas of events that the engine takes, and random records of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from fastavro import parse_schema, schemaless_writer
from hypothesis import strategies as st

from engine.schema.avro import prepared_for_fastavro

INT32: Final = st.integers(-(2**31), 2**31 - 1)
INT64: Final = st.integers(-(2**63), 2**63 - 1)
# From 1995 to 2055, in the unit of each: an instant that a rule's clock can show.
PLAUSIBLE: Final = {"millis": 10**3, "micros": 10**6, "nanos": 10**9}
TEXT: Final = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", "\0", "ABC123", "{time}", "<b>\r\n", "🚗", "NaN", "x" * 200]
)


@dataclass(frozen=True)
class Field:
    """One Avro type, and what values of it a writer may send."""

    avro: Any
    values: st.SearchStrategy[Any]


def _logical(kind: str, logical: str, values: st.SearchStrategy[Any], **more: Any) -> Field:
    return Field({"type": kind, "logicalType": logical, **more}, values)


def timestamps(prefix: str) -> list[Field]:
    """Avro's timestamps, instants or local ones; a few values are absurd."""
    return [
        _logical(
            "long",
            f"{prefix}timestamp-{unit}",
            st.integers(788_918_400 * scale, 2_682_374_400 * scale) | INT64,
        )
        for unit, scale in PLAUSIBLE.items()
    ]


def scalars(names: Iterator[str]) -> st.SearchStrategy[Field]:
    """Every type without others inside it, logical ones included."""
    return st.sampled_from(
        [
            Field("string", TEXT),
            Field("boolean", st.booleans()),
            Field("int", INT32),
            Field("long", INT64),
            Field("float", st.floats(width=32)),
            Field("double", st.floats()),
            Field("bytes", st.binary(max_size=9)),
            _logical("string", "uuid", TEXT),
            _logical("bytes", "decimal", st.binary(max_size=9), precision=9, scale=2),
            _logical("int", "date", INT32),
            _logical("int", "time-millis", INT32),
            _logical("long", "time-micros", INT64),
            _logical("string", "of-no-standard", TEXT),
            *timestamps(""),
            *timestamps("local-"),
        ]
    ) | st.builds(lambda size: _fixed(next(names), size), st.sampled_from([1, 4, 12, 16]))


def _fixed(name: str, size: int) -> Field:
    logical = {12: "duration", 16: "uuid"}.get(size)
    more = {"logicalType": logical} if logical else {}
    avro = {"type": "fixed", "name": name, "size": size, **more}
    return Field(avro, st.binary(min_size=size, max_size=size))


def _enum(name: str) -> Field:
    symbols = ["RED", "GREEN", "none"]
    return Field({"type": "enum", "name": name, "symbols": symbols}, st.sampled_from(symbols))


def nullable(field: Field, *, is_first: bool = True) -> Field:
    """The union of null and a type."""
    branches = ["null", field.avro] if is_first else [field.avro, "null"]
    return Field(branches, st.none() | field.values)


def record(name: str, fields: dict[str, Field]) -> Field:
    """A record of these fields."""
    entries = [{"name": each, "type": field.avro} for each, field in fields.items()]
    values = {each: field.values for each, field in fields.items()}
    return Field({"type": "record", "name": name, "fields": entries}, st.fixed_dictionaries(values))


@st.composite
def fields(draw: st.DrawFn, names: Iterator[str], depth: int = 2) -> Field:
    """Any type."""
    kind = draw(st.sampled_from(["scalar"] * 3 + ["enum", "array", "map", "record", "null"]))
    if kind == "scalar" or (depth == 0 and kind != "enum"):
        return draw(scalars(names))
    if kind == "enum":
        return _enum(next(names))
    if kind == "record":
        count = draw(st.integers(1, 3))
        inner = {f"f{number}": draw(fields(names, depth - 1)) for number in range(count)}
        return record(next(names), inner)
    found = draw(fields(names, depth - 1))
    if kind == "array":
        return Field({"type": "array", "items": found.avro}, st.lists(found.values, max_size=3))
    if kind == "map":
        values = st.dictionaries(TEXT, found.values, max_size=3)
        return Field({"type": "map", "values": found.avro}, values)
    is_union = isinstance(found.avro, list)
    return found if is_union else nullable(found, is_first=draw(st.booleans()))


@st.composite
def _maybe_null(draw: st.DrawFn, field: Field) -> Field:
    return nullable(field) if draw(st.booleans()) else field


@st.composite
def schemas(draw: st.DrawFn) -> tuple[str, Field, list[str]]:
    """A schema's JSON, its type, and the names of its fields that are not the engine's."""
    names = (f"N{number}" for number in itertools.count())
    text = Field("string", TEXT)
    moments = st.sampled_from([text, *timestamps(""), *timestamps("local-")])
    plate = {
        "normalized_text": draw(_maybe_null(text)),
        "confidence": Field("float", st.floats(width=32)),
    }
    if draw(st.booleans()):
        plate["text"] = draw(_maybe_null(text))
    chosen = {
        "captured_at": draw(_maybe_null(draw(moments))),
        "camera_id": draw(_maybe_null(text)),
        "plate": draw(_maybe_null(record("Plate", plate))),
    }
    for name in ("event_id", "track_id"):
        if draw(st.booleans()):
            chosen[name] = draw(_maybe_null(text))
    if draw(st.booleans()):
        images = {"plate_url": draw(_maybe_null(text))}
        chosen["images"] = draw(_maybe_null(record("Images", images)))
    own = {f"own{number}": draw(fields(names)) for number in range(draw(st.integers(1, 4)))}
    found = record("PlateEvent", {**chosen, **own})
    return json.dumps(found.avro), found, list(own)


def written(schema: str, values: Any) -> bytes:
    """The Avro body of raw values: the numbers of times, and not what stands for them in Python."""
    stream = BytesIO()
    raw = prepared_for_fastavro(json.loads(schema), with_defaults=True)
    schemaless_writer(stream, parse_schema(raw), values)
    return stream.getvalue()
