from __future__ import annotations

from engine.delivery.target_queue import CurrentTarget
from tests.unit.delivery.scripted_target import ScriptedTarget


def test_a_replaced_target_is_closed_at_once_when_nobody_uses_it() -> None:
    old, new = ScriptedTarget(), ScriptedTarget()
    current_target = CurrentTarget(old)
    current_target.replace(new)
    assert (old.closed, new.closed) == (1, 0)
    with current_target.borrow() as target:
        assert target is new


def test_a_replaced_target_is_closed_after_its_last_send() -> None:
    old, new = ScriptedTarget(), ScriptedTarget()
    current_target = CurrentTarget(old)
    with current_target.borrow(), current_target.borrow() as target:
        current_target.replace(new)
        assert target is old
        assert old.closed == 0
    assert (old.closed, new.closed) == (1, 0)


def test_a_target_replaced_by_itself_stays_open() -> None:
    target = ScriptedTarget()
    current_target = CurrentTarget(target)
    current_target.replace(target)
    assert target.closed == 0


def test_closing_waits_for_the_send_in_flight_and_happens_once() -> None:
    target = ScriptedTarget()
    current_target = CurrentTarget(target)
    with current_target.borrow():
        current_target.close()
        assert target.closed == 0
    current_target.close()
    assert target.closed == 1


def test_a_target_that_comes_back_before_it_was_closed_stays_open() -> None:
    target = ScriptedTarget()
    current_target = CurrentTarget(target)
    with current_target.borrow():
        current_target.close()
        current_target.replace(target)
    assert target.closed == 0


def test_at_least_one_may_send() -> None:
    assert CurrentTarget(ScriptedTarget(concurrency=0)).concurrency == 1
