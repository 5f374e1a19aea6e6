from __future__ import annotations

from channels.alert import Target
from engine.delivery.retry import DeliveryClock
from engine.delivery.target_queue import TargetQueue, TargetQueues
from tests.unit.delivery.manual_clock import ManualClock
from tests.unit.delivery.scripted_target import ScriptedTarget
from tests.unit.delivery.stage import POLICY


def build(target_id: str, target: Target) -> TargetQueue:
    clock = ManualClock()
    timing = DeliveryClock(clock, clock.wait)
    return TargetQueue(target_id, target, POLICY, timing, lambda *_: [], lambda queue: None)


def targets(*names: str) -> dict[str, ScriptedTarget]:
    return {name: ScriptedTarget(name) for name in names}


def test_a_target_that_stays_keeps_its_queue() -> None:
    queues = TargetQueues(targets("mail/ann"), build)
    queue = queues.find("mail/ann")
    assert queues.replace(targets("mail/ann", "mail/bob")) == ()
    assert queues.find("mail/ann") is queue
    assert {each.target_id for each in queues.in_use} == {"mail/ann", "mail/bob"}


def test_a_target_that_is_added_has_a_queue_and_the_others_keep_their_targets() -> None:
    held = targets("mail/ann")
    queues = TargetQueues(held, build)
    queue = queues.find("mail/ann")
    queues.add(targets("mail/ann", "mail/bob"))
    assert queues.find("mail/ann") is queue
    assert queues.find("mail/bob") is not None
    with queue.current_target.borrow() as target:  # type: ignore[union-attr]
        assert target is held["mail/ann"]
    assert held["mail/ann"].closed == 0


def test_a_target_that_is_added_while_it_leaves_gets_its_queue_back() -> None:
    queues = TargetQueues(targets("mail/ann"), build)
    queue = queues.find("mail/ann")
    queues.replace({})
    queues.add(targets("mail/ann"))
    assert queues.find("mail/ann") is queue


def test_a_target_that_goes_is_found_no_more_and_comes_back_to_its_queue() -> None:
    queues = TargetQueues(targets("mail/ann"), build)
    queue = queues.find("mail/ann")
    assert queues.replace({}) == (queue,)
    assert queues.find("mail/ann") is None
    assert queues.claimed_of("mail/ann") == frozenset()
    queues.replace(targets("mail/ann"))
    assert queues.find("mail/ann") is queue


def test_a_queue_that_has_left_for_good_is_forgotten() -> None:
    queues = TargetQueues(targets("mail/ann"), build)
    queue = queues.find("mail/ann")
    queues.replace({})
    queues.forget_idle()
    queues.replace(targets("mail/ann"))
    assert queues.find("mail/ann") is not queue


def test_closing_closes_every_target() -> None:
    held = targets("mail/ann", "mail/bob")
    TargetQueues(held, build).close()
    assert [target.closed for target in held.values()] == [1, 1]
