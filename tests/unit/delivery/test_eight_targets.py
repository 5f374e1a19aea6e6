"""The whole of delivery under load: what is wrong with one target concerns no other."""

from __future__ import annotations

from collections import Counter

from channels.alert import SENT, Outcome
from engine.delivery import RetryPolicy
from engine.store import DeliveryState
from tests.unit.delivery.scripted_target import DOWN, Gate
from tests.unit.delivery.stage import Stage

ALERTS = 60


def test_a_hanging_a_dead_and_a_flapping_target_delay_nobody_and_lose_nothing(
    live_stage: Stage,
) -> None:
    gate, tries = Gate(), Counter[str]()

    def flap(alert_id: str) -> Outcome:
        tries[alert_id] += 1
        return SENT if tries[alert_id] > 2 else DOWN

    hanging = live_stage.target("hook:hanging", gate)
    dead = live_stage.target("hook:dead", lambda alert_id: DOWN, concurrency=4)
    flapping = live_stage.target("mail:flapping", flap)
    good = [live_stage.target(f"mail:{number}", concurrency=1 + number % 4) for number in range(5)]
    policy = RetryPolicy(base_seconds=0.002, probe_seconds=0.01, longest_probe_seconds=0.05)
    live_stage.start(policy)
    alerts = [live_stage.add(*live_stage.targets) for _ in range(ALERTS)]
    for target in (*good, flapping):
        for alert in alerts:
            live_stage.await_state(alert, target.label, DeliveryState.SENT)
    assert hanging.alert_ids == alerts[:1]
    gate.open()
    for alert in alerts:
        live_stage.await_state(alert, hanging.label, DeliveryState.SENT)
    dead.await_calls(20)
    live_stage.stop()
    assert [sorted(target.alert_ids) for target in (*good, hanging)] == [alerts] * 6
    assert Counter(flapping.alert_ids) == dict.fromkeys(alerts, 3)
    assert set(live_stage.states(dead.label).values()) == {DeliveryState.WAITING}
    assert len(live_stage.states(dead.label)) == ALERTS
    assert dead.most_at_once <= 4
    assert live_stage.metric("channel_holds_total", channel="hook") == 1


def test_one_poisonous_message_among_many_is_all_that_is_lost(live_stage: Stage) -> None:
    poison = "a0001"
    target = live_stage.target("hook:1", lambda alert_id: DOWN if alert_id == poison else SENT)
    live_stage.start(RetryPolicy(base_seconds=0.01))
    alerts = [live_stage.add("hook:1") for _ in range(ALERTS)]
    for alert in alerts[1:]:
        live_stage.await_state(alert, "hook:1", DeliveryState.SENT)
    # It was alone between its last tries, so perhaps held: whatever comes next goes through.
    live_stage.await_state(live_stage.add("hook:1"), "hook:1", DeliveryState.SENT)
    live_stage.await_state(poison, "hook:1", DeliveryState.DEAD)
    assert Counter(target.alert_ids)[alerts[1]] == 1
