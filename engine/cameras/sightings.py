"""What the loop has seen of cameras, until it is noted in the store."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Sightings:
    """The cameras seen since the last `take`, each with the Kafka time of a reading, in ms.

    The loop adds a batch's before it commits the offsets of the batch: what the group has committed
    was seen here, or is noted. While it `is_wanted` by nobody, nothing is kept.
    """

    def __init__(self) -> None:
        self.is_wanted = False
        self._lock = threading.Lock()
        self._seen: dict[str, int] = {}

    def add(self, seen: Mapping[str, int]) -> None:
        """The cameras of a batch, by their `camera_id`."""
        if self.is_wanted and seen:
            with self._lock:
                self._seen.update(seen)

    def take(self) -> dict[str, int]:
        """What was seen since the last call."""
        with self._lock:
            taken, self._seen = self._seen, {}
        return taken

    def put_back(self, taken: Mapping[str, int]) -> None:
        """What was taken could not be noted; what was seen since then is younger."""
        with self._lock:
            self._seen = {**taken, **self._seen}
