"""Simulated cameras: plausible traffic, some of it made to match the rules in force.

What makes a rule fire is known from the rule's own positive tests: their events are laid over a
random reading, so the demo shows alerts for any rule file that carries tests.
"""

from __future__ import annotations

import itertools
import random
import string
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

CAMERAS: Final = ("cam-gate-north", "cam-gate-south", "cam-garage", "cam-street")
EVENTS_PER_EXAMPLE: Final = 10
_VEHICLES: Final = (
    ("car", "Toyota", "Corolla"),
    ("car", "Ford", "Focus"),
    ("truck", "Volvo", "FH16"),
    ("van", "Mercedes-Benz", "Sprinter"),
    ("motorcycle", "Honda", "CB500"),
)
_COLORS: Final = ("white", "black", "silver", "blue", "red")
_REGIONS: Final = ("US-FL", "US-GA", "US-NY", None)


class Cameras:
    """Makes events; `examples` are partial events that match a rule."""

    def __init__(self, examples: Sequence[Mapping[str, Any]], chance: random.Random) -> None:
        self._examples = tuple(examples)
        self._chance = chance

    def events(self, clock: Iterator[datetime]) -> Iterator[dict[str, Any]]:
        """One event for each instant of `clock`."""
        examples = itertools.cycle(self._chance.sample(self._examples, len(self._examples)))
        for number, now in enumerate(clock, 1):
            event = self._reading(now)
            if self._examples and number % EVENTS_PER_EXAMPLE == 0:
                event = overlay(event, next(examples))
            yield event

    def _reading(self, now: datetime) -> dict[str, Any]:
        chance = self._chance
        letters = "".join(chance.choices(string.ascii_uppercase, k=3))
        plate = f"{letters}{chance.randrange(1000):03}"
        kind, make, model = chance.choice(_VEHICLES)
        camera = chance.choice(CAMERAS)
        event_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "event_id": event_id,
            "captured_at": stamp,
            "camera_id": camera,
            "track_id": f"t-{chance.randrange(100_000)}",
            "plate": {
                "text": f"{letters}-{plate[3:]}",
                "normalized_text": plate,
                "confidence": round(chance.uniform(0.8, 0.99), 2),
                "region": chance.choice(_REGIONS),
            },
            "vehicle": {
                "type": kind,
                "make": make,
                "model": model,
                "color": chance.choice(_COLORS),
            },
            "images": {
                "plate_url": f"http://images.example/{event_id}/plate.jpg",
                "vehicle_url": None,
                "frame_url": None,
            },
            "latency_ms": chance.randrange(20, 180),
            "node": {"site": "demo", "host": "edge-1"},
            "extras": None,
        }


def overlay(event: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    """`event` with the fields of `example` in place of its own, records merged."""
    merged = dict(event)
    for name, value in example.items():
        own = merged.get(name)
        if isinstance(value, Mapping) and isinstance(own, Mapping):
            merged[name] = overlay(own, value)
        else:
            merged[name] = value
    return merged
