"""Made-up plate readings as cameras send them; the same random generator makes the same ones."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_VEHICLES: Final = (
    ("car", "Toyota", "Corolla"),
    ("car", "Ford", "Focus"),
    ("truck", "Volvo", "FH16"),
    ("van", "Mercedes-Benz", "Sprinter"),
    ("motorcycle", "Honda", "CB500"),
)
_COLORS: Final = ("white", "black", "silver", "blue", "red", None)
_REGIONS: Final = ("US-FL", "US-GA", "US-NY", None)


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
