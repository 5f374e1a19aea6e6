from __future__ import annotations

from engine.delivery.target_queue import CurrentTarget
from tests.unit.delivery.scripted_target import ScriptedTarget


def test_a_replaced_target_is_closed_at_once_when_nobody_uses_it() -> None:
    old, new = ScriptedTarget(), ScriptedTarget()
    outlet = CurrentTarget(old)
    outlet.replace(new)
    assert (old.closed, new.closed) == (1, 0)
    with outlet.borrow() as target:
        assert target is new


def test_a_replaced_target_is_closed_after_its_last_send() -> None:
    old, new = ScriptedTarget(), ScriptedTarget()
    outlet = CurrentTarget(old)
    with outlet.borrow(), outlet.borrow() as target:
        outlet.replace(new)
        assert target is old
        assert old.closed == 0
    assert (old.closed, new.closed) == (1, 0)


def test_a_target_replaced_by_itself_stays_open() -> None:
    target = ScriptedTarget()
    outlet = CurrentTarget(target)
    outlet.replace(target)
    assert target.closed == 0


def test_closing_waits_for_the_send_in_flight_and_happens_once() -> None:
    target = ScriptedTarget()
    outlet = CurrentTarget(target)
    with outlet.borrow():
        outlet.close()
        assert target.closed == 0
    outlet.close()
    assert target.closed == 1


def test_a_target_that_comes_back_before_it_was_closed_stays_open() -> None:
    target = ScriptedTarget()
    outlet = CurrentTarget(target)
    with outlet.borrow():
        outlet.close()
        outlet.replace(target)
    assert target.closed == 0


def test_at_least_one_may_send() -> None:
    assert CurrentTarget(ScriptedTarget(concurrency=0)).concurrency == 1
