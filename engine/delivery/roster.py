"""The lanes by target id: those in use, and those on leave that still have a send in flight."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from channels.alert import Target
from engine.delivery.lane import Lane


class Roster:
    """Keeps one lane for each target, for as long as the target has anything to do."""

    def __init__(self, targets: Mapping[str, Target], build: Callable[[Target], Lane]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._open = {target_id: build(target) for target_id, target in targets.items()}
        self._leaving: dict[str, Lane] = {}

    def find(self, target_id: str) -> Lane | None:
        """The lane in use for this target."""
        return self._open.get(target_id)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Every lane in use."""
        return tuple(self._open.values())

    def add(self, targets: Mapping[str, Target]) -> None:
        """Open a lane for each of these targets that has none; the others stay as they are."""
        with self._lock:
            left = dict(self._leaving)
            new = {}
            for target_id, target in targets.items():
                if target_id in self._open:
                    continue
                lane = left.pop(target_id, None)
                if lane is None:
                    lane = self._build(target)
                else:
                    lane.open(target)
                new[target_id] = lane
            self._open, self._leaving = self._open | new, left

    def replace(self, targets: Mapping[str, Target]) -> tuple[Lane, ...]:
        """Use these targets; the lanes that are not needed any more, still open.

        A target that comes back while its old lane has a send in flight gets the old lane again,
        so that its delivery is not sent twice.
        """
        with self._lock:
            former, left = self._open, dict(self._leaving)
            lanes = {}
            for target_id, target in targets.items():
                lane = former.get(target_id) or left.pop(target_id, None)
                if lane is None:
                    lane = self._build(target)
                else:
                    lane.open(target)
                lanes[target_id] = lane
            gone = {key: lane for key, lane in former.items() if key not in lanes}
            self._open, self._leaving = lanes, left | gone
        return tuple(gone.values())

    def in_hand(self, target_id: str) -> frozenset[int]:
        """The deliveries of a target that is not used any more which a worker still has."""
        lane = self._leaving.get(target_id)
        return lane.claimed if lane else frozenset()

    def forget_idle(self) -> None:
        """Drop the lanes that have left for good."""
        with self._lock:
            self._leaving = {key: lane for key, lane in self._leaving.items() if lane.claimed}

    def close(self) -> None:
        """Close every lane."""
        with self._lock:
            for lane in (*self._open.values(), *self._leaving.values()):
                lane.close()
