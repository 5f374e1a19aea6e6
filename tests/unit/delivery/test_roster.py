from __future__ import annotations

from channels.alert import Target
from engine.delivery.retry import DeliveryClock
from engine.delivery.target_queue import TargetQueue, TargetQueues
from tests.unit.delivery.manual_clock import ManualClock
from tests.unit.delivery.scripted_target import ScriptedTarget
from tests.unit.delivery.stage import POLICY


def build(target: Target) -> TargetQueue:
    clock = ManualClock()
    return TargetQueue(
        target, POLICY, DeliveryClock(clock, clock.wait), lambda *_: [], lambda lane: None
    )


def targets(*names: str) -> dict[str, ScriptedTarget]:
    return {name: ScriptedTarget(name) for name in names}


def test_a_target_that_stays_keeps_its_lane() -> None:
    roster = TargetQueues(targets("mail/ann"), build)
    lane = roster.find("mail/ann")
    assert roster.replace(targets("mail/ann", "mail/bob")) == ()
    assert roster.find("mail/ann") is lane
    assert {each.target_id for each in roster.lanes} == {"mail/ann", "mail/bob"}


def test_a_target_that_is_added_has_a_lane_and_the_others_keep_their_targets() -> None:
    held = targets("mail/ann")
    roster = TargetQueues(held, build)
    lane = roster.find("mail/ann")
    roster.add(targets("mail/ann", "mail/bob"))
    assert roster.find("mail/ann") is lane
    assert roster.find("mail/bob") is not None
    with lane.outlet.borrow() as target:  # type: ignore[union-attr]
        assert target is held["mail/ann"]
    assert held["mail/ann"].closed == 0


def test_a_target_that_is_added_while_it_leaves_gets_its_lane_back() -> None:
    roster = TargetQueues(targets("mail/ann"), build)
    lane = roster.find("mail/ann")
    roster.replace({})
    roster.add(targets("mail/ann"))
    assert roster.find("mail/ann") is lane


def test_a_target_that_goes_is_found_no_more_and_comes_back_to_its_lane() -> None:
    roster = TargetQueues(targets("mail/ann"), build)
    lane = roster.find("mail/ann")
    assert roster.replace({}) == (lane,)
    assert roster.find("mail/ann") is None
    assert roster.in_hand("mail/ann") == frozenset()
    roster.replace(targets("mail/ann"))
    assert roster.find("mail/ann") is lane


def test_a_lane_that_has_left_for_good_is_forgotten() -> None:
    roster = TargetQueues(targets("mail/ann"), build)
    lane = roster.find("mail/ann")
    roster.replace({})
    roster.forget_idle()
    roster.replace(targets("mail/ann"))
    assert roster.find("mail/ann") is not lane


def test_closing_closes_every_target() -> None:
    held = targets("mail/ann", "mail/bob")
    TargetQueues(held, build).close()
    assert [target.closed for target in held.values()] == [1, 1]
