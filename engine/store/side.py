"""What the sides of a SQLite store share: its connections and its clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Connections:
    """One connection for each kind of work, so that none of them waits for another's."""

    stream: Connection
    delivery: Connection
    delivery_reader: Connection
    archive_reader: Connection


class Side:
    """One side of a store; `clock` gives seconds since the epoch."""

    def __init__(self, connections: Connections, clock: Callable[[], float] = time.time) -> None:
        self._connections = connections
        self._clock = clock

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)
