"""Workers alone: what they do with claims that are too old, and with targets that are gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from queue import SimpleQueue

import pytest

from channels.alert import SENT, Alert, Outcome, Priority
from engine.delivery.parts import Parts
from engine.delivery.targets import Targets
from engine.delivery.workers import Send, Workers
from engine.metrics import Metrics
from engine.store import Claim
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.delivery.manual_clock import ManualClock
from tests.unit.delivery.scripted_target import ScriptedTarget
from tests.unit.delivery.stage import POLICY, Stage, await_no_threads

ANN = "mail:ann"
ALERT = Alert("a1", "r1", "A rule", Priority.LOW, "text", "", "")
CLAIM = Claim(1, 1, ALERT, "mail", ANN, 0, 0, 0, 0, 1, "", "", is_probe=False)


class Bench:
    """Workers with one target, and what they are done with."""

    def __init__(self, stage: Stage) -> None:
        self.clock = ManualClock()
        self.target = ScriptedTarget(ANN)
        self.targets = Targets({ANN: self.target}, ())
        self.done: SimpleQueue[Send] = SimpleQueue()
        parts = Parts(
            stage.store.deliveries,
            self.targets,
            POLICY,
            Metrics(),
            self.clock.monotonic,
            threading.Condition.wait,
            "owner",
            4,
            60.0,
            86_400.0,
            {},
            lambda: True,
            lambda name: None,
        )
        self.workers = Workers(parts, self.done.put)

    def send(self, good_until: float = 60.0, target_id: str = ANN) -> Outcome | None:
        self.workers.give(replace(CLAIM, target_id=target_id), good_until)
        return self.done.get(timeout=PATIENCE_SECONDS).outcome


@pytest.fixture
def bench(stage: Stage) -> Iterator[Bench]:
    made = Bench(stage)
    yield made
    made.workers.close()
    await_no_threads()


def test_a_claim_that_is_good_is_sent(bench: Bench) -> None:
    assert bench.send() is SENT


def test_a_claim_that_has_run_out_is_not_sent(bench: Bench) -> None:
    bench.clock.move_to(60.0)
    assert bench.send() is None
    assert bench.target.calls == []


def test_a_claim_for_a_target_that_is_gone_is_not_sent(bench: Bench) -> None:
    assert bench.send(target_id="mail:bob") is None


def test_nothing_is_sent_through_a_target_that_is_closed(bench: Bench) -> None:
    bench.targets.close()
    assert bench.send() is None
    assert bench.target.closed == 1
