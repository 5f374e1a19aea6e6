"""Deliveries to a service that gives its plugin a window, and closes it again and again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from channels.alert import Priority
from channels.definitions.channel_entry import entry_targets
from engine.store import DeliveryState
from tests.support.answers import Answer, Request
from tests.support.patience import PATIENCE_SECONDS
from tests.support.services import Services
from tests.unit.channels.samples import set_environment
from tests.unit.delivery.stage import Stage

DISCORD = "discord.com"
URL = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
#: Discord counts in whole seconds.
WINDOW_SECONDS = 3
WINDOWS = 6
#: Longer than what the plugin adds to a window, for clocks that differ.
PAUSE_SECONDS = 30.0


class Discord:
    """Takes a message, and no other until the next window; `open` ends that."""

    def __init__(self) -> None:
        self.opens_at = 0
        self.is_open = False

    def __call__(self, request: Request) -> Answer:
        self.opens_at = int(time.time()) + WINDOW_SECONDS
        left = "5" if self.is_open else "0"
        headers = {"X-RateLimit-Remaining": left, "X-RateLimit-Reset": str(self.opens_at)}
        return Answer(204, headers, b"")

    def await_window(self) -> None:
        """Return when the window is over."""
        time.sleep(max(0.0, self.opens_at - time.time() + 0.01))


@pytest.mark.slow
def test_a_message_behind_six_exhausted_windows_of_discord_arrives_once(
    stage: Stage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, services.environment)
    discord = Discord()
    services.script.clear(discord)
    (target,) = entry_targets("ops", URL, {}).checked()
    name = target.label
    stage.targets[name] = target
    with structlog.testing.capture_logs() as logs:
        stage.start()
        alerts = [stage.add(name, priority=Priority.HIGH)]
        services.wait_for_service(DISCORD, 1)
        low = stage.add(name, priority=Priority.LOW)
        for count in range(2, WINDOWS + 1):
            # An urgent one for each window: the other finds it exhausted again.
            await_pauses(logs, count - 1)
            alerts.append(stage.add(name, priority=Priority.HIGH))
            discord.await_window()
            stage.clock.move_to(stage.clock.monotonic() + PAUSE_SECONDS)
            services.wait_for_service(DISCORD, count)
        await_pauses(logs, WINDOWS)
        discord.is_open = True
        discord.await_window()
        stage.clock.move_to(stage.clock.monotonic() + PAUSE_SECONDS)
        deliveries = [
            stage.await_state(alert, name, DeliveryState.SENT) for alert in (*alerts, low)
        ]
        stage.stop()
    assert [delivery.tries for delivery in deliveries] == [1] * (WINDOWS + 1)
    assert len(services.to(DISCORD)) == WINDOWS + 1
    assert {log["event"] for log in logs} == {"target.paused"}


def await_pauses(logs: Sequence[Any], count: int) -> None:
    """Return when so many pauses have begun."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(log["event"] == "target.paused" for log in logs) < count:
        assert time.monotonic() < deadline, logs
        time.sleep(0.01)
