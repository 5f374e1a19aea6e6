"""What the threads of delivery share: the store, the targets, the clock, and what they go by."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.delivery.judge import RetryPolicy
from engine.delivery.targets import Targets
from engine.metrics import Metrics
from engine.store import Deliveries

Wait = Callable[[threading.Condition, float | None], object]
"""Waits on a condition whose lock is held, for at most so many seconds (None: no limit)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Given once, to `Dispatcher`, which says what each is."""

    deliveries: Deliveries
    targets: Targets
    policy: RetryPolicy
    metrics: Metrics
    monotonic: Callable[[], float]
    wait: Wait
    owner: str
    workers: int
    claim_seconds: float
    hold_seconds: float
    former_ids: Mapping[str, str]
    replicas_agree: Callable[[], bool]
    kill_point: Callable[[str], None]
