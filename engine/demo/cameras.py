"""Simulated cameras: plausible readings, some of which match the rules in force.

The fields of a rule's own test event that expects a match replace those of a random reading. So the
demo shows alerts of any rule file that has tests.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from engine.demo.readings import make_plate, make_reading, overlay
from engine.schema import CAPTURED_AT, EventSchema

CAMERAS: Final = ("cam-gate-north", "cam-gate-south", "cam-garage", "cam-street")
EVENTS_PER_EXAMPLE: Final = 10


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
