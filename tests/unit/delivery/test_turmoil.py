"""Random answers, reloads and restarts: each delivery ends once, and as it should."""

from __future__ import annotations

import random
import threading
from collections import Counter
from functools import partial

import pytest

from channels.alert import SENT, Outcome, Priority
from engine.delivery import RetryPolicy
from engine.store import DeliveryState
from tests.support.patience import await_that
from tests.unit.delivery.scripted_target import (
    BAD_TLS,
    DOWN,
    FORBIDDEN,
    LOCKED_OUT,
    REFUSED,
    UNCONFIRMED,
    asking,
    pausing,
)
from tests.unit.delivery.stage import Stage

pytestmark = pytest.mark.waits

TARGETS = {"mail:a": 1, "mail:b": 1, "hook:a": 4, "hook:b": 2}
ALERTS = 40
POLICY = RetryPolicy(
    base_seconds=0.001, probe_seconds=0.002, longest_probe_seconds=0.01, unconfirmed_seconds=0.01
)
#: What a target may answer, and how often.
ANSWERS = [
    (SENT, 10),
    (DOWN, 6),
    (UNCONFIRMED, 2),
    (LOCKED_OUT, 2),
    (FORBIDDEN, 2),
    (BAD_TLS, 1),
    (REFUSED, 2),
    (asking(0.01), 1),
    (pausing(0.005), 2),
]


class Turmoil:
    """Targets that answer at random until they are told to be good."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.is_over = False
        self.sent = Counter[tuple[str, str]]()
        self.unconfirmed = Counter[tuple[str, str]]()
        self.in_flight = Counter[tuple[str, str]]()
        self.overlaps = 0
        self._lock = threading.Lock()

    def answer(self, target_id: str, alert_id: str) -> Outcome:
        key = (target_id, alert_id)
        with self._lock:
            self.in_flight[key] += 1
            self.overlaps += self.in_flight[key] > 1
            outcome = SENT if self.is_over else self._choose()
            self.sent[key] += outcome is SENT
            self.unconfirmed[key] += outcome is UNCONFIRMED
        with self._lock:
            self.in_flight[key] -= 1
        return outcome

    def _choose(self) -> Outcome:
        outcomes, weights = zip(*ANSWERS, strict=True)
        outcome: Outcome = self.random.choices(outcomes, weights)[0]
        return outcome


@pytest.mark.parametrize("seed", range(10))
def test_each_delivery_is_sent_once_or_dead_for_a_reason(live_stage: Stage, seed: int) -> None:
    turmoil = Turmoil(seed)
    prepare(live_stage, turmoil)
    live_stage.start(POLICY)
    alerts = []
    for _ in range(ALERTS):
        priority = turmoil.random.choice(list(Priority))
        alerts.append(live_stage.add(*TARGETS, priority=priority))
        step = turmoil.random.random()
        if step < 0.1:
            live_stage.stop()
            live_stage.start(POLICY)
        elif step < 0.2:
            prepare(live_stage, turmoil)
            live_stage.use(dict(live_stage.targets))
    turmoil.is_over = True
    live_stage.use(dict(live_stage.targets))
    await_that(lambda: not live_stage.store.deliveries.backlogs())
    live_stage.stop()
    assert turmoil.overlaps == 0
    assert max(turmoil.unconfirmed.values()) <= 2
    assert live_stage.store.deliveries.held() == []
    for target_id in TARGETS:
        states = live_stage.states(target_id)
        assert sorted(states) == alerts
        for alert_id, state in states.items():
            assert state in (DeliveryState.SENT, DeliveryState.DEAD)
            assert turmoil.sent[target_id, alert_id] == (state is DeliveryState.SENT)


def prepare(stage: Stage, turmoil: Turmoil) -> None:
    """New target objects, as a reload makes them."""
    for target_id, concurrency in TARGETS.items():
        target = stage.target(target_id, concurrency=concurrency)
        target.script = partial(turmoil.answer, target_id)
