"""Simulated cameras: plausible readings, some of which match the rules in force.

The same random generator makes the same readings. The fields of a rule's own test event that
expects a match replace those of a random reading, so the demo shows alerts of any rule file that
has tests.
"""

from __future__ import annotations

import itertools
import random
import string
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from engine.schema import CAPTURED_AT, EventSchema

_VEHICLES: Final = (
    ("car", "Toyota", "Corolla"),
    ("car", "Ford", "Focus"),
    ("truck", "Volvo", "FH16"),
    ("van", "Mercedes-Benz", "Sprinter"),
    ("motorcycle", "Honda", "CB500"),
)
_COLORS: Final = ("white", "black", "silver", "blue", "red", None)
_REGIONS: Final = ("US-FL", "US-GA", "US-NY", None)
CAMERAS: Final = ("cam-gate-north", "cam-gate-south", "cam-garage", "cam-street")
EVENTS_PER_EXAMPLE: Final = 10


def make_plate(chance: random.Random, digits: int = 4) -> str:
    """A plate of three letters and `digits` digits; with four there are 175,760,000."""
    letters = "".join(chance.choices(string.ascii_uppercase, k=3))
    return f"{letters}{chance.randrange(10**digits):0{digits}}"


def make_reading(
    chance: random.Random,
    *,
    plate: str,
    camera: str,
    confidence: float,
    captured_at: datetime,
    site: str,
) -> dict[str, Any]:
    """One whole event of the shipped schema; the fields that are not given are random.

    `plate` is its normalised text, `captured_at` an instant in UTC.
    """
    kind, make, model = chance.choice(_VEHICLES)
    event_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    return {
        "event_id": event_id,
        "captured_at": captured_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "camera_id": camera,
        "track_id": f"t-{chance.randrange(100_000)}",
        "plate": {
            "text": f"{plate[:3]}-{plate[3:]}",
            "normalized_text": plate,
            "confidence": confidence,
            "region": chance.choice(_REGIONS),
        },
        "vehicle": {"type": kind, "make": make, "model": model, "color": chance.choice(_COLORS)},
        "images": {
            "plate_url": f"https://images.example/{event_id}/plate.jpg",
            "vehicle_url": None,
            "frame_url": None,
        },
        "latency_ms": chance.randrange(20, 180),
        "node": {"site": site, "host": "edge-1"},
        "extras": None,
    }


def overlay(event: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    """`event` with the fields of `example` in place of its own; nested records are merged."""
    merged = dict(event)
    for name, value in example.items():
        own = merged.get(name)
        if isinstance(value, Mapping) and isinstance(own, Mapping):
            merged[name] = overlay(own, value)
        else:
            merged[name] = value
    return merged


class Cameras:
    """Makes events; `examples` are partial events, each of which matches a rule."""

    def __init__(self, examples: Sequence[Mapping[str, Any]], chance: random.Random) -> None:
        self._examples = tuple(examples)
        self._chance = chance

    def events(self, clock: Iterator[datetime]) -> Iterator[dict[str, Any]]:
        """One event for each instant of `clock`."""
        examples = itertools.cycle(self._chance.sample(self._examples, len(self._examples)))
        for number, now in enumerate(clock, 1):
            event = self._reading(now)
            if self._examples and number % EVENTS_PER_EXAMPLE == 0:
                event = overlay(event, _recent(next(examples), now))
            yield event

    def _reading(self, now: datetime) -> dict[str, Any]:
        chance = self._chance
        return make_reading(
            chance,
            plate=make_plate(chance, digits=3),
            camera=chance.choice(CAMERAS),
            confidence=round(chance.uniform(0.8, 0.99), 2),
            captured_at=now,
            site="demo",
        )


def as_written(event: Mapping[str, Any], schema: EventSchema, zone: tzinfo) -> dict[str, Any]:
    """The event as an Avro writer of `schema` takes it; fields that it lacks have their defaults.

    Fields that are not in the schema, or have another type there, are left out. Local timestamps
    are in the time zone `zone`.
    """
    return schema.writable(schema.complete(schema.fitting(event)), zone)


def instants() -> Iterator[datetime]:
    """The present instant, without end."""
    while True:
        yield datetime.now(UTC)


def _recent(example: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """The example at its own time of day, the latest before `now`: a rule of the night matches."""
    if example.get(CAPTURED_AT) is None:
        return example
    try:
        then = datetime.fromisoformat(example[CAPTURED_AT])
    except ValueError:
        return example
    zone = then.tzinfo if then.tzinfo is not None else now.tzinfo
    latest = datetime.combine(now.astimezone(zone), then.time(), zone)
    if latest > now:
        latest -= timedelta(days=1)
    return {**example, CAPTURED_AT: latest.isoformat()}
