"""A recipient gets no more messages than its rate; what is more waits, or goes with the next."""

from __future__ import annotations

from itertools import chain, pairwise

import pytest

from channels.alert import SENT, MessageKind, Priority, Terms
from engine.delivery import RetryPolicy
from engine.store import DeliveryState
from tests.unit.delivery.scripted_target import DOWN, ScriptedTarget
from tests.unit.delivery.stage import Stage

MAIL = "mail:ann"
HOOK = "hook:a"


def limited(
    stage: Stage, name: str = MAIL, above: int = 20, concurrency: int = 1
) -> ScriptedTarget:
    """Two seconds lie between its messages."""
    target = stage.target(name, concurrency=concurrency)
    target.terms = Terms(digest_above=above, interval_seconds=2.0)
    return target


def distances(target: ScriptedTarget) -> list[float]:
    return [after - before for before, after in pairwise(target.times)]


def test_a_storm_is_a_handful_of_messages(stage: Stage) -> None:
    mail = limited(stage)
    stage.start()
    ids = list[str]()
    for tenth in range(50):
        priority = Priority.HIGH if tenth % 10 == 0 else Priority.LOW
        ids += stage.add_all(4, MAIL, priority=priority)
        stage.pass_to((tenth + 1) / 10)
    stage.pass_to(10.0)
    assert len(mail.calls) <= 5
    assert min(distances(mail)) >= 2.0
    assert sorted(chain.from_iterable(call.alert_ids for call in mail.calls)) == sorted(ids)
    assert {stage.delivery(each, MAIL).kind for each in ids[1:]} == {MessageKind.DIGEST}


def test_without_digests_they_wait_for_their_turn(stage: Stage) -> None:
    hook = limited(stage, HOOK, above=0, concurrency=4)
    stage.start()
    ids = stage.add_all(5, HOOK)
    stage.pass_to(9.0)
    assert hook.alert_ids == ids
    assert min(distances(hook)) >= 2.0


@pytest.mark.parametrize("above", [0, 20])
def test_retries_and_probes_count(stage: Stage, above: int) -> None:
    mail = limited(stage, above=above)
    mail.script = lambda alert_id: DOWN
    policy = RetryPolicy(base_seconds=0.1, jitter=0.0, probe_seconds=0.5, longest_probe_seconds=0.5)
    stage.start(policy)
    ids = stage.add_all(3, MAIL)
    stage.pass_to(20.0)
    mail.script = lambda alert_id: SENT
    stage.pass_to(40.0)
    assert min(distances(mail)) >= 2.0
    assert stage.states(MAIL) == dict.fromkeys(ids, DeliveryState.SENT)


def test_replicas_share_a_rate(stage: Stage) -> None:
    mail = limited(stage, above=0, concurrency=2)
    stage.start()
    stage.start_another()
    ids = stage.add_all(5, MAIL)
    stage.pass_to(9.0)
    assert mail.alert_ids == ids
    assert min(distances(mail)) >= 2.0


def test_others_are_not_slowed_down(stage: Stage) -> None:
    limited(stage, above=0)
    hook = stage.target(HOOK)
    stage.start()
    ids = stage.add_all(10, MAIL, HOOK)
    assert hook.alert_ids == ids
