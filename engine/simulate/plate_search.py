"""Searches records for the readings of one plate, and for what may be one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from engine.errors import DecodeError, RegistryUnavailableError
from engine.pipeline.pipeline import EventDecoder
from engine.schema import CAMERA_ID, NORMALIZED_PLATE, value_at
from engine.schema.event import Event
from engine.stream.record import Record
from engine.watchlist import PlateCosts, plate_of
from engine.watchlist.likeness import likeness

#: How many near readings are kept, and how alike to the plate they have to be: in six characters
#: any two may be others. Rules ask for more, but here nobody is alerted, and a human looks.
MOST_NEAR: Final = 5
LEAST_LIKENESS: Final = 0.66
#: How many plates have their likeness remembered.
MOST_REMEMBERED: Final = 100_000
#: How many records that can't be decoded are kept.
MOST_UNDECODABLE: Final = 100
#: How long the registry is waited for in all.
PATIENCE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class NearReading:
    """A reading of another plate; `likeness`, 0 to 1, is its likeness to the one searched for."""

    event: Event
    plate: str
    likeness: float


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that could not be decoded, and why; `names_plate`: its bytes hold the plate.

    Where it is not `is_certain`, the registry did not say what it is.
    """

    record: Record
    reason: str
    names_plate: bool
    is_certain: bool = True


@dataclass(slots=True)
class FoundReadings:
    """What a search has found; `events` is how many it has seen, `undecodable_count` how many not.

    `readings` are those of the plate, by time. `near` are the nearest ones of others, one a plate.
    """

    events: int = 0
    readings: list[Event] = field(default_factory=list)
    near: list[NearReading] = field(default_factory=list)
    undecodable: list[Undecodable] = field(default_factory=list)
    undecodable_count: int = 0


class PlateSearch:
    """Takes records in, and keeps the readings of `plate` whose time is in the window.

    The window is from `since` until before `until`. Likeness goes by `costs`. `wait` pauses for so
    many seconds.
    """

    def __init__(
        self,
        plate: str,
        since: datetime,
        until: datetime,
        decoder: EventDecoder,
        costs: PlateCosts,
        *,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.found: Final = FoundReadings()
        self._plate: Final = plate_of(plate)
        self._bytes: Final = self._plate.encode()
        self._since: Final = since
        self._until: Final = until
        self._decoder: Final = decoder
        self._costs: Final = costs
        self._wait: Final = wait
        self._patience: float = PATIENCE_SECONDS
        self._digests: Final[set[bytes]] = set()
        self._near: Final[dict[str, NearReading]] = {}
        self._likeness: Final[dict[str, float]] = {}

    def take(self, records: Iterable[Record]) -> None:
        """Search these records."""
        for record in records:
            if record.value is None:
                continue
            try:
                event = self._decoded(record)
            except DecodeError as error:
                self._note_undecodable(record, str(error), is_certain=True)
                continue
            except RegistryUnavailableError as error:
                self._note_undecodable(record, str(error), is_certain=False)
                continue
            self.found.events += 1
            if self._since <= event.time < self._until:
                self._look_at(event)

    def end(self) -> FoundReadings:
        """All that was found."""
        found = self.found
        found.readings.sort(key=lambda event: event.time)
        found.near = sorted(self._near.values(), key=lambda near: (-near.likeness, near.event.time))
        del found.near[MOST_NEAR:]
        return found

    def _decoded(self, record: Record) -> Event:
        while True:
            try:
                return self._decoder.decode(record)
            except RegistryUnavailableError:
                if self._patience <= 0:
                    raise
                self._wait(_PAUSE_SECONDS)
                self._patience -= _PAUSE_SECONDS

    def _note_undecodable(self, record: Record, reason: str, *, is_certain: bool) -> None:
        self.found.undecodable_count += 1
        names_plate = self._bytes in (record.value or b"")
        if names_plate or len(self.found.undecodable) < MOST_UNDECODABLE:
            self.found.undecodable.append(Undecodable(record, reason, names_plate, is_certain))

    def _look_at(self, event: Event) -> None:
        text = plate_of(value_at(event.values, NORMALIZED_PLATE))
        if not text:
            return
        alike = self._likeness.get(text)
        if alike is None:
            if len(self._likeness) >= MOST_REMEMBERED:
                self._likeness.clear()
            alike = self._likeness[text] = likeness(self._plate, text, self._costs)
        if alike == 1:
            # A record that was produced twice is one reading.
            if event.digest not in self._digests:
                self._digests.add(event.digest)
                self.found.readings.append(event)
        elif alike >= LEAST_LIKENESS and text not in self._near:
            self._near[text] = NearReading(event, text, alike)


def passes(readings: Sequence[Event], gap_seconds: float) -> list[list[Event]]:
    """The readings in groups of one camera that are no further apart than the gap, by time."""
    groups: list[list[Event]] = []
    open_groups: dict[object, list[Event]] = {}
    for event in readings:
        camera = value_at(event.values, CAMERA_ID)
        group = open_groups.get(camera)
        if group is None or (event.time - group[-1].time).total_seconds() > gap_seconds:
            group = open_groups[camera] = []
            groups.append(group)
        group.append(event)
    return groups
