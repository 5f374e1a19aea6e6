"""Random answers, reloads and restarts: each delivery ends once, and as it should."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from channels.alert import SENT, SINGLY, Grouping, Outcome, Priority, Terms
from engine.delivery import RetryPolicy
from engine.store import DeliveryState, GroupPlace
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
_BY_CAR = Grouping(("plate.text",), 0.002, 0.001)
#: How the targets want their alerts: each alone, or together in every way.
TERMS = {
    "singly": {},
    "together": {
        "mail:a": Terms(_BY_CAR, digest_above=3),
        "mail:b": Terms(digest_above=20, interval_seconds=0.005),
        "hook:a": Terms(digest_above=4),
        "hook:b": Terms(_BY_CAR),
    },
}
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
        self.largest = 0
        self._lock = threading.Lock()

    def answer(self, target_id: str, alert_id: str) -> Outcome:
        return self.answer_several(target_id, [alert_id])

    def answer_several(self, target_id: str, alert_ids: Sequence[str]) -> Outcome:
        with self._lock:
            self.largest = max(self.largest, len(alert_ids))
            outcome = SENT if self.is_over else self._choose()
            for key in ((target_id, each) for each in alert_ids):
                self.in_flight[key] += 1
                self.overlaps += self.in_flight[key] > 1
                self.sent[key] += outcome is SENT
                self.unconfirmed[key] += outcome is UNCONFIRMED
        with self._lock:
            for each in alert_ids:
                self.in_flight[target_id, each] -= 1
        return outcome

    def _choose(self) -> Outcome:
        outcomes, weights = zip(*ANSWERS, strict=True)
        outcome: Outcome = self.random.choices(outcomes, weights)[0]
        return outcome


@pytest.mark.parametrize("seed", range(10))
def test_each_delivery_is_sent_once_or_dead_for_a_reason(live_stage: Stage, seed: int) -> None:
    go_through_turmoil(live_stage, seed, "singly")


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in range(1, 20))]
)
def test_so_is_each_alert_of_a_message_of_several(live_stage: Stage, seed: int) -> None:
    go_through_turmoil(live_stage, seed, "together")


@pytest.mark.slow
@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("seed", range(5))
def test_so_it_is_on_postgresql(database: str, tmp_path: Path, seed: int, terms: str) -> None:
    with Stage(tmp_path, url=database, in_real_time=True) as stage:
        go_through_turmoil(stage, seed, terms)


def go_through_turmoil(live_stage: Stage, seed: int, terms: str) -> None:
    turmoil = Turmoil(seed)
    prepare(live_stage, turmoil, terms)
    live_stage.start(POLICY)
    alerts = []
    for number in range(ALERTS):
        priority = turmoil.random.choice(list(Priority))
        place = GroupPlace(f"car {number // 4}", 0.002) if terms == "together" else None
        alerts.append(live_stage.store_only(*TARGETS, priority=priority, place=place))
        live_stage.dispatchers[0].wake(())
        step = turmoil.random.random()
        if step < 0.1:
            live_stage.stop()
            live_stage.start(POLICY)
        elif step < 0.2:
            prepare(live_stage, turmoil, terms)
            live_stage.use(dict(live_stage.targets))
    turmoil.is_over = True
    live_stage.use(dict(live_stage.targets))
    await_that(lambda: not live_stage.store.deliveries.backlogs())
    live_stage.stop()
    assert turmoil.overlaps == 0
    assert (turmoil.largest > 1) == (terms == "together")
    assert max(turmoil.unconfirmed.values()) <= 2
    assert live_stage.store.deliveries.held() == []
    for target_id in TARGETS:
        states = live_stage.states(target_id)
        assert sorted(states) == alerts
        for alert_id, state in states.items():
            assert state in (DeliveryState.SENT, DeliveryState.DEAD)
            assert turmoil.sent[target_id, alert_id] == (state is DeliveryState.SENT)


def prepare(stage: Stage, turmoil: Turmoil, terms: str) -> None:
    """New target objects, as a reload makes them."""
    for target_id, concurrency in TARGETS.items():
        target = stage.target(target_id, concurrency=concurrency)
        target.script = partial(turmoil.answer, target_id)
        target.script_of_several = partial(turmoil.answer_several, target_id)
        target.terms = TERMS[terms].get(target_id, SINGLY)
