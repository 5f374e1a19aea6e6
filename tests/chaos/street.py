"""Cameras that publish readings without a pause, whatever strikes."""

from __future__ import annotations

import random
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final

from engine.demo.street import EventPublisher
from engine.errors import BrokerUnavailableError
from tests.chaos.oracle import CAMERAS, PLATES, Event
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA, Site

EVENTS_A_SECOND: Final = 15
#: Readings come out of order by so much, and partitions add to that.
LATEST_MS: Final = 4_000
TWINS: Final = 0.3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Street:
    """A thread that publishes; a context manager. `events` has what was published."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.events: dict[str, Event] = {}
        #: When an event was given to the producer, by `time.monotonic()`.
        self.published: dict[str, float] = {}
        self._chance = chance
        self._publisher = EventPublisher(
            site.broker.bootstrap_servers,
            site.registry_url,
            EVENT_SCHEMA.read_text(),
            site.topic,
            # It says often that the broker is away.
            kafka_options={"log_level": 0},
        )
        self._is_over = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._play, name="street", daemon=True)

    def end(self) -> list[Event]:
        """Publish no more; the events, all of which the broker has acknowledged.

        Raises what the producer raised: then nobody can say what was published.
        """
        self._is_over.set()
        self._thread.join(PATIENCE_SECONDS)
        if self._failure is not None:
            raise self._failure
        self._publisher.flush(PATIENCE_SECONDS)
        return list(self.events.values())

    def __enter__(self) -> Street:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join(PATIENCE_SECONDS)
        self._publisher.close()

    def _play(self) -> None:
        try:
            while not self._is_over.wait(1 / EVENTS_A_SECOND):
                self._publish()
        except BrokerUnavailableError as error:
            self._failure = error

    def _publish(self) -> None:
        """One reading, or two of one car at the same instant, which two replicas may get."""
        chance = self._chance
        now_ms = time.time_ns() // 1_000_000
        at_ms = now_ms - chance.randrange(LATEST_MS)
        plate = chance.choice(PLATES)
        is_twin = chance.random() < TWINS
        for camera in chance.sample(CAMERAS, 2 if is_twin else 1):
            event = Event(
                event_id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                at_ms=at_ms,
                plate=plate,
                camera=camera,
                confidence=chance.choice((0.25, 0.75)),
                color=chance.choice(("red", "blue", "green", "black")),
            )
            self.published[event.event_id] = time.monotonic()
            self.events[event.event_id] = event
            self._publisher.publish(as_published(event))


def as_published(event: Event) -> dict[str, Any]:
    """The whole event, as a camera publishes it."""
    whole = sighting(
        event.plate,
        _EPOCH + timedelta(milliseconds=event.at_ms),
        event.camera,
        event_id=event.event_id,
    )
    whole["plate"]["confidence"] = event.confidence
    whole["vehicle"]["color"] = event.color
    return whole
