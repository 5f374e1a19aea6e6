"""The made-up events that rules are measured on; they are the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from engine.demo.readings import make_plate, make_reading, overlay
from engine.schema import EventSchema, FieldType
from engine.schema.event import Event, make_event

CAMERAS: Final = 500
# One of so many events is made to match, where the rules have tests of their own.
EVENTS_AN_EXAMPLE: Final = 100


def make_camera(chance: random.Random) -> str:
    """The name of a random camera of `CAMERAS`."""
    return camera_name(chance.randrange(CAMERAS))


def camera_name(number: int) -> str:
    """The name of the camera of this number."""
    return f"cam-{number:03}"


def readings(
    count: int, start: datetime, watched: Sequence[str] = (), share: float = 0.0, seed: int = 1
) -> Iterator[dict[str, Any]]:
    """`count` events of the shipped schema, a millisecond apart from `start` (UTC) on.

    The `share` of them (0 to 1), evenly spread, has the plates of `watched`, in turn.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    hits = 0
    for number in range(count):
        is_hit = int((number + 1) * share) > hits
        plate = watched[hits % len(watched)] if is_hit else make_plate(chance)
        hits += is_hit
        yield make_reading(
            chance,
            plate=plate,
            camera=make_camera(chance),
            confidence=round(chance.uniform(0.7, 1.0), 2),
            captured_at=start + timedelta(milliseconds=number),
            site="north",
        )


def traffic(
    count: int,
    schema: EventSchema,
    zone: tzinfo,
    start: datetime,
    examples: Sequence[Mapping[str, Any]] = (),
) -> list[Event]:
    """`count` decoded events of `schema`; fields that a reading lacks have their defaults.

    Every `EVENTS_AN_EXAMPLE`th event has the fields of one of `examples`, in turn. Raises
    EventError where a field of the schema has the name of a reading's field but another type.
    """
    events = []
    for number, reading in enumerate(readings(count, start)):
        values = known_fields(reading, schema.variables)
        if examples and number % EVENTS_AN_EXAMPLE == EVENTS_AN_EXAMPLE - 1:
            values = overlay(values, examples[number // EVENTS_AN_EXAMPLE % len(examples)])
        events.append(make_event(schema.complete(values), zone=zone))
    return events


def known_fields(values: Mapping[str, Any], types: Mapping[str, FieldType]) -> dict[str, Any]:
    """`values` without the fields that are not in `types`, at every depth."""
    return {
        name: known_fields(value, types[name].fields) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if name in types
    }
