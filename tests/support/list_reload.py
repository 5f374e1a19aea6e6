"""A million plates that are asked by likeness, and are replaced while events flow.

One in fifty events has a misread plate of the list, which must become an alert, once. What arrives
at the webhook is the only judge.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from engine.demo.cameras import make_plate
from engine.demo.street import EventPublisher
from tests.support.engine_process import EngineProcess
from tests.support.gate import Gate, open_gate
from tests.support.gate import plate_of as plate_of_request
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.reload_scene import replace
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA

ROWS: Final = 1_000_000
EVENTS_A_SECOND: Final = 500
#: One in so many events must become an alert.
WANTED: Final = 50
#: So many plates of each list are in no other.
OWN: Final = 10_000
AROUND_SECONDS: Final = 5
RELOAD_SECONDS: Final = 60.0
DRAIN_SECONDS: Final = 60.0

RULES: Final = """\
channels:
  hook: {url: "${HOOK_URL}", timeout: 20}
watchlists: {stolen: stolen.txt}
rules:
  - id: stolen
    # At this length a lower threshold would find thousands of other cars.
    when: similar(plate.normalized_text, watchlist("stolen"), 0.95)
    notify: [hook]
    rate_limit: {enabled: false}
    message_template: "{plate.normalized_text}"
"""
#: Characters of plates, and what is read in their place; within the budget of the threshold.
_MISREAD: Final = {"0": "O", "1": "I", "2": "Z", "5": "S", "6": "G", "8": "B"}


@dataclass(frozen=True, slots=True)
class Way:
    """An event that must become an alert: when it was published, and when its alert arrived.

    Both are `time.monotonic()`.
    """

    published_at: float
    arrived_at: float

    @property
    def seconds(self) -> float:
        """From the one to the other."""
        return self.arrived_at - self.published_at


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run: the ways of all wanted events, and when lists were replaced.

    `reloads` has, for each new list, when its file was replaced and when it was in force.
    """

    ways: tuple[Way, ...]
    reloads: tuple[tuple[float, float], ...]

    def during_reloads(self) -> list[Way]:
        """Of the events that were published while a list was loaded."""
        return [
            way
            for way in self.ways
            if any(start <= way.published_at <= end for start, end in self.reloads)
        ]


def misread(plate: str) -> str:
    """The plate with one digit read as a letter; the same where it has no such digit."""
    for place in range(len(plate) - 1, -1, -1):
        if plate[place] in _MISREAD:
            return plate[:place] + _MISREAD[plate[place]] + plate[place + 1 :]
    return plate


class Plates:
    """The plates of all lists: most are in each of them, some in one only; none is in two ways."""

    def __init__(self, lists: int) -> None:
        chance = random.Random(17)
        found: dict[str, None] = {}
        while len(found) < ROWS + (lists - 1) * OWN:
            plate = make_plate(chance)
            if misread(plate) != plate:
                found[plate] = None
        plates = list(found)
        self.kept: Final = plates[: ROWS - OWN]
        self._own: Final = plates[ROWS - OWN :]

    def own(self, number: int) -> list[str]:
        """The plates that only this list has."""
        return self._own[number * OWN : (number + 1) * OWN]

    def text(self, number: int) -> str:
        """A list's file."""
        return "\n".join([*self.kept, *self.own(number), ""])


class Traffic:
    """Publishes at a steady rate, and remembers when it published what must become an alert."""

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self._chance = random.Random(18)
        self._number = count()
        self.published: dict[str, float] = {}

    def run(self, seconds: float, wanted: Iterator[str]) -> None:
        """Publish for so long; of `wanted` each next plate is misread."""
        start = time.monotonic()
        for step in range(round(seconds * EVENTS_A_SECOND)):
            plate = make_plate(self._chance)
            if step % WANTED == 0:
                plate = misread(next(wanted))
                # It sets the pace of the stream; nothing is waited for.
                time.sleep(max(0.0, start + step / EVENTS_A_SECOND - time.monotonic()))
                self.published[plate] = time.monotonic()
            camera = f"cam-{next(self._number) % 16}"
            self._publisher.publish(sighting(plate, datetime.now(UTC), camera=camera))


def run(broker: Broker, folder: Path, reloads: int) -> Outcome:
    """Replace the list so often under load; AssertionError where an alert is lost or doubled."""
    plates = Plates(reloads + 1)
    path = folder / "stolen.txt"
    path.write_text(plates.text(0))
    with open_gate(broker, folder, RULES, BATCH_SIZE="500") as gate:
        site = gate.site
        text, servers = EVENT_SCHEMA.read_text(), broker.bootstrap_servers
        with (
            site.start() as engine,
            EventPublisher(servers, gate.registry.url, text, site.topic) as publisher,
        ):
            engine.wait_ready(timeout_seconds=RELOAD_SECONDS)
            traffic, kept = Traffic(publisher), iter(plates.kept)
            traffic.run(AROUND_SECONDS, kept)
            spans = []
            for number in range(1, reloads + 1):
                replace(path, plates.text(number))
                start = time.monotonic()
                _await_reload(engine, traffic, kept, number)
                spans.append((start, time.monotonic()))
                traffic.run(AROUND_SECONDS, iter(plates.own(number)))
            publisher.flush()
            site.await_consumed(DRAIN_SECONDS)
            await_that(
                lambda: traffic.published.keys() <= gate.counts().keys(),
                lambda: f"{_missing(gate, traffic)}\n{engine.output[-3_000:]}",
                patience_seconds=DRAIN_SECONDS,
            )
            assert engine.stop() == 0
        assert "Traceback" not in engine.output
        counts = gate.counts()
        assert {counts[plate] for plate in traffic.published} == {1}
        arrived = {plate_of_request(each): each.at for each in gate.hook.requests.all()}
    ways = (Way(at, arrived[plate]) for plate, at in traffic.published.items())
    return Outcome(tuple(ways), tuple(spans))


def _await_reload(
    engine: EngineProcess, traffic: Traffic, wanted: Iterator[str], number: int
) -> None:
    """Publish until the list is in force."""
    deadline = time.monotonic() + RELOAD_SECONDS
    while engine.output.count('"event": "rules.reloaded"') < number:
        assert time.monotonic() < deadline, engine.output[-3_000:]
        traffic.run(0.2, wanted)


def _missing(gate: Gate, traffic: Traffic) -> str:
    missing = traffic.published.keys() - gate.counts().keys()
    return f"{len(missing)} of {len(traffic.published)} are missing"
