"""Plate readings of a busy site, the same in every run, as dicts, records and events."""

from __future__ import annotations

import json
import random
import string
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from typing import Any, Final

from fastavro import parse_schema, schemaless_writer

from engine.event import Event, make_event
from engine.stream.record import Record
from tests.support.avro import plate_schema

SCHEMA_ID: Final = 7
CAMERAS: Final = 500
HEADER: Final = b"\0" + SCHEMA_ID.to_bytes(4, "big")
_VEHICLES: Final = (
    ("car", "Toyota", "Corolla"),
    ("car", "Ford", "Focus"),
    ("truck", "Volvo", "FH16"),
    ("van", "Mercedes-Benz", "Sprinter"),
)
_COLORS: Final = ("white", "black", "silver", "blue", "red", None)


class Writers:
    """A registry that knows one schema, the shipped one, and is never away."""

    def writer_schema(self, schema_id: int) -> str:
        """The schema's text."""
        assert schema_id == SCHEMA_ID
        return plate_schema().text


def plate(chance: random.Random) -> str:
    """Three letters and four digits: one of 175,760,000."""
    return f"{''.join(chance.choices(string.ascii_uppercase, k=3))}{chance.randrange(10_000):04}"


def camera(chance: random.Random) -> str:
    """One of `CAMERAS`."""
    return f"cam-{chance.randrange(CAMERAS):03}"


def readings(
    count: int, watched: Sequence[str] = (), share: float = 0.0, seed: int = 1
) -> Iterator[dict[str, Any]]:
    """So many events, a second's worth of milliseconds apart and all of the last hour.

    `share` of them, evenly spread, have the plates of `watched`, each in turn.
    """
    chance = random.Random(seed)
    start = datetime.now(UTC) - timedelta(minutes=30)
    hits = 0
    for number in range(count):
        is_hit = int((number + 1) * share) > hits
        text = watched[hits % len(watched)] if is_hit else plate(chance)
        hits += is_hit
        yield _reading(chance, text, start + timedelta(milliseconds=number))


def _reading(chance: random.Random, text: str, at: datetime) -> dict[str, Any]:
    kind, make, model = chance.choice(_VEHICLES)
    event_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    return {
        "event_id": event_id,
        "captured_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "camera_id": camera(chance),
        "track_id": str(chance.randrange(100_000)),
        "plate": {
            "text": f"{text[:3]}-{text[3:]}",
            "normalized_text": text,
            "confidence": round(chance.uniform(0.7, 1.0), 2),
            "region": chance.choice(("US-FL", "US-GA", None)),
        },
        "vehicle": {"type": kind, "make": make, "model": model, "color": chance.choice(_COLORS)},
        "images": {
            "plate_url": f"https://images.example/{event_id}/plate.jpg",
            "vehicle_url": None,
            "frame_url": None,
        },
        "latency_ms": chance.randrange(20, 180),
        "node": {"site": "north", "host": "edge-1"},
        "extras": None,
    }


@cache
def _parsed() -> Any:
    return parse_schema(json.loads(plate_schema().text))


def encode(event: dict[str, Any]) -> bytes:
    """The event in the Confluent wire format."""
    stream = BytesIO()
    schemaless_writer(stream, _parsed(), event)
    return HEADER + stream.getvalue()


def record(value: bytes, offset: int = 0) -> Record:
    """A record of the topic `plates`, with a Kafka timestamp of now."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return Record("plates", 0, offset, now_ms, b"cam-000", value)


def events(count: int, seed: int = 1) -> list[Event]:
    """So many events as rules see them, floats as the wire has them."""
    return [make_event(each, zone=UTC) for each in readings(count, seed=seed)]
