"""Says in the store that this engine runs, and learns which others do."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from engine.metrics import Metrics
from engine.store import Instance, Instances

log = structlog.get_logger(__name__)

#: How often an engine says that it runs.
BEAT_SECONDS: Final = 5.0


class Replicas:
    """The engines on one store, as this one learned at its last beat; any thread may ask."""

    def __init__(
        self,
        instances: Instances,
        describe: Callable[[], Instance],
        metrics: Metrics,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`describe` gives what this engine says of itself; `timer` gives monotonic seconds."""
        self._instances = instances
        self._describe = describe
        self._metrics = metrics
        self._timer = timer
        self._lock = threading.Lock()
        self._has_left = False
        self._beat_at = -math.inf
        self._digests: tuple[str, ...] = ()

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next beat."""
        return self._timer() - self._beat_at >= BEAT_SECONDS

    def beat(self) -> bool:
        """Say that this engine runs, with its rules of now; returns whether all have the same.

        An engine beats before it stores an alert by other rules, so who sees a delivery of a target
        that it does not know, and beats after that, learns of them. Raises StoreError.
        """
        # One at a time: an older answer must not take the place of a newer one.
        with self._lock:
            if self._has_left:
                return False
            self._beat_at = self._timer()
            running = self._instances.beat(self._describe())
            digests = tuple(sorted({each.rules_digest for each in running}))
            is_alike = len(digests) <= 1
            self._metrics.replicas.set(len(running))
            self._metrics.replicas_disagree.set(not is_alike)
            self._log_change(running, digests)
            return is_alike

    def leave(self) -> None:
        """This engine stops in order, and is not missed; it beats no more. Raises StoreError."""
        with self._lock:
            self._has_left = True
            self._instances.forget(self._describe().instance_id)

    def _log_change(self, running: Sequence[Instance], digests: tuple[str, ...]) -> None:
        if len(digests) > 1 and digests != self._digests:
            log.warning(
                "replicas.differ",
                replicas={each.instance_id: each.rules_digest for each in running},
                remedy="give all the same rule files, watchlists and variables",
            )
        elif len(digests) == 1 and len(self._digests) > 1:
            log.info("replicas.alike", replicas=[each.instance_id for each in running])
        self._digests = digests
