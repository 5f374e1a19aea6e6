"""Plate events as cameras publish them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any


def stamp(at: datetime) -> str:
    """An aware time as producers write it, to the millisecond, in UTC with a Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sighting(plate: str, at: datetime, camera: str = "cam-1", **fields: Any) -> dict[str, Any]:
    """A whole event; `fields` replace its top-level fields."""
    return {
        "event_id": str(uuid.uuid4()),
        "captured_at": stamp(at),
        "camera_id": camera,
        "track_id": "17",
        "plate": {
            "text": plate[:3] + "-" + plate[3:],
            "normalized_text": plate,
            "confidence": 0.95,
            "region": "US-FL",
        },
        "vehicle": {"type": "car", "make": "Ford", "model": "Focus", "color": None},
        "images": {
            "plate_url": f"https://images.example/{plate}.jpg",
            "vehicle_url": None,
            "frame_url": None,
        },
        "latency_ms": 42,
        "node": {"site": "north", "host": "edge-1"},
        "extras": {
            "roi": "lane-2",
            "direction": None,
            "quality_score": 0.7,
            "frame_number": 1234,
        },
        **fields,
    }
