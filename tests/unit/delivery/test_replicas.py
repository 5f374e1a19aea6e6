"""Two dispatchers on one store: what one has claimed the other leaves alone, until it is dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.alert import SENT, Outcome, Priority
from engine.delivery import RetryPolicy
from engine.store import DeliveryState
from tests.support.patience import await_that
from tests.support.stored import claim
from tests.unit.delivery.scripted_target import BAD_TLS, DOWN, Gate
from tests.unit.delivery.stage import Stage

pytestmark = pytest.mark.waits

ANN = "mail:ann"
BOB = "mail:bob"
HOOK = "hook:1"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The store of both; empty for a SQLite file of the stage's own."""
    return str(request.getfixturevalue("database")) if request.param == "postgresql" else ""


@pytest.fixture
def stage(tmp_path: Path, url: str) -> Iterator[Stage]:
    with Stage(tmp_path, url=url) as prepared:
        yield prepared


@pytest.fixture
def live_stage(tmp_path: Path, url: str) -> Iterator[Stage]:
    with Stage(tmp_path, url=url, in_real_time=True) as prepared:
        yield prepared


def test_a_claim_is_taken_over_when_its_owner_is_dead(stage: Stage) -> None:
    gate = Gate()
    target = stage.target(ANN, gate)
    first = stage.start(owner="first")
    alert, waiting = stage.add_all(2, ANN)
    stage.freeze(first)
    other = stage.target(ANN)
    stage.start_another(owner="second")
    stage.pass_to(59.0)
    assert other.alert_ids == []
    stage.pass_to(60.0)
    assert other.alert_ids == [alert, waiting]
    # It wakes up, and what it writes is too late.
    gate.open()
    stage.thaw(first)
    stage.settle()
    assert stage.states(ANN) == {alert: DeliveryState.SENT, waiting: DeliveryState.SENT}
    assert (target.alert_ids, other.alert_ids) == ([alert], [alert, waiting])


def test_a_failure_that_comes_too_late_reopens_nothing(stage: Stage) -> None:
    gate = Gate(DOWN)
    stage.target(ANN, gate)
    first = stage.start(owner="first")
    alert = stage.add(ANN)
    stage.freeze(first)
    stage.target(ANN)
    stage.start_another(owner="second")
    stage.pass_to(60.0)
    gate.open()
    stage.thaw(first)
    stage.pass_to(120.0)
    delivery = stage.delivery(alert, ANN)
    assert (delivery.state, delivery.tries) == (DeliveryState.SENT, 1)


def test_a_claim_is_renewed_while_its_send_lasts(stage: Stage) -> None:
    gate = Gate()
    stage.target(ANN, gate)
    stage.start(owner="first")
    alert = stage.add(ANN)
    other = stage.target(ANN)
    stage.start_another(owner="second")
    stage.pass_to(300.0)
    assert other.calls == []
    gate.open()
    stage.settle()
    assert stage.states(ANN) == {alert: DeliveryState.SENT}


def test_claims_that_an_engine_does_not_know_of_keep_a_target_from_nothing(stage: Stage) -> None:
    """A server that fails may keep a claim and lose the mark of its send, or the answer to it."""
    target = stage.target(ANN)
    stage.start(owner="first")
    alert = stage.store_only(ANN)
    lost = claim(stage.store, ANN, owner="first")
    assert [each.alert.alert_id for each in lost] == [alert]
    later = stage.add(ANN)
    stage.pass_to(30.0)
    assert stage.states(ANN) == dict.fromkeys((alert, later), DeliveryState.SENT)
    assert target.most_at_once == 1


def test_a_target_that_is_held_is_held_for_both_and_one_probes_it(stage: Stage) -> None:
    target = stage.target(ANN, lambda alert_id: BAD_TLS)
    first = stage.start(owner="first")
    alerts = stage.add_all(5, ANN)
    second = stage.start_another(owner="second")
    assert [hold.target_id for hold in first.held()] == [ANN]
    assert [hold.target_id for hold in second.held()] == [ANN]
    # The second one's start is a change, and so a probe.
    stage.pass_to(90.0)
    assert target.times == [0.0, 0.0, 30.0, 60.0, 90.0]
    target.script = lambda alert_id: SENT
    stage.pass_to(121.0)
    assert (first.held(), second.held()) == ((), ())
    assert set(stage.states(ANN)) == set(alerts)


def test_what_one_waits_for_is_tried_again_by_either(stage: Stage) -> None:
    answers = iter([DOWN, SENT])
    target = stage.target(ANN, lambda alert_id: next(answers))
    first = stage.start(owner="first")
    stage.add(ANN)
    stage.start_another(owner="second")
    stage.freeze(first)
    stage.pass_to(5.0)
    assert target.times == [0.0, 5.0]


def test_one_target_has_one_send_at_a_time_over_both_in_order(live_stage: Stage) -> None:
    stage, started = live_stage, threading.Event()

    def take(alert_id: str) -> Outcome:
        started.wait()
        time.sleep(0.001)
        return SENT

    ann, bob = stage.target(ANN, take), stage.target(BOB, take)
    hook = stage.target(HOOK, take, concurrency=3)
    policy = RetryPolicy(base_seconds=0.01)
    priorities = [*Priority] * 20
    alerts = {
        priority: [
            stage.store_only(ANN, BOB, HOOK, priority=priority)
            for each in priorities
            if each is priority
        ]
        for priority in reversed(Priority)
    }
    # As if the file were PostgreSQL: a slow start may not take the other's claims.
    stage.store.deliveries.is_shared = True
    stage.start(policy, owner="first")
    stage.start_another(policy, owner="second")
    started.set()
    await_that(lambda: not stage.store.deliveries.backlogs())
    assert (ann.most_at_once, bob.most_at_once) == (1, 1)
    assert hook.most_at_once <= 3
    expected = [each for priority in Priority for each in alerts[priority]]
    assert ann.alert_ids == bob.alert_ids == expected
    assert sorted(hook.alert_ids) == sorted(expected)


def test_what_another_replica_may_use_already_is_not_given_up_at_once(stage: Stage) -> None:
    stage.target(ANN)
    stage.store.deliveries.register({ANN: ("mail", 1), BOB: ("mail", 1)})
    stage.start_another()
    alert = stage.add(BOB)
    stage.pass_to(14.0)
    assert stage.states(BOB) == {alert: DeliveryState.WAITING}
    stage.pass_to(30.0)
    assert stage.delivery(alert, BOB).reason == "target_removed"


def test_what_a_reload_removed_here_is_settled_at_once(stage: Stage) -> None:
    stage.target(ANN, lambda alert_id: BAD_TLS)
    stage.start_another()
    alert = stage.add(ANN)
    stage.target(BOB)
    stage.pass_to(1.0)
    stage.use([BOB])
    assert stage.states(BOB) == {alert: DeliveryState.SENT}
