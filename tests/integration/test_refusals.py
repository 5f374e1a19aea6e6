"""Refusals of every message hold a webhook, those of some hold nobody: by what its receiver got."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import Answer, Request
from tests.support.gate import Gate, open_gate, plate_of
from tests.support.kafka import Broker
from tests.support.patience import await_that

RULES = """\
channels:
  plain: {url: "${HOOK_URL}/plain", timeout: 20}
  wall: {url: "${HOOK_URL}/wall", timeout: 20}
  once: {url: "${HOOK_URL}/once", timeout: 20}
rules:
  - id: every
    name: Every Plate
    when: "true"
    notify: [plain, wall, once]
    rate_limit: {enabled: false}
    message_template: "{plate.normalized_text}"
"""
COUNT = 60
#: What a server says that speaks TLS of itself but not here; its words are in no table.
PLAIN = Answer(400, {"Content-Type": "text/plain"}, b"Not in these words")


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    # As long as another message needs to be taken.
    with open_gate(broker, tmp_path, RULES, RETRY_DELAY_BASE="2") as opened:
        yield opened


def is_at(request: Request, channel: str) -> bool:
    return request.path.endswith(f"/{channel}")


def is_blocked(request: Request) -> bool:
    """Whether a firewall likes this message: six of sixty it does not."""
    return plate_of(request).endswith("5")


def deliveries(gate: Gate, channel: str) -> dict[str, Any]:
    """The deliveries of a channel, by message."""
    return {
        alert["message"]: delivery
        for alert in gate.site.alerts("--limit", "1000")
        for delivery in alert["deliveries"]
        if delivery["channel"] == channel
    }


def taken(requests: Sequence[Request], channel: str) -> Counter[str]:
    return Counter(plate_of(request) for request in requests if is_at(request, channel))


@pytest.mark.slow
def test_refusals_of_all_and_of_some_messages(gate: Gate) -> None:
    hook = gate.hook
    locked = [True]

    def answer(request: Request) -> Answer:
        if is_at(request, "plain"):
            return PLAIN
        if is_at(request, "wall"):
            return Answer(403 if is_blocked(request) else 200)
        if plate_of(request).endswith("30") and locked:
            return Answer(locked.pop() and 401)
        return Answer()

    hook.script.clear(answer)
    with gate.site.start() as engine:
        engine.wait_ready()
        plates = gate.see()
        hook.requests.wait_for(1, where=lambda request: is_at(request, "wall"))
        plates += gate.see(COUNT - 1)
        blocked = {plate for plate in plates if plate.endswith("5")}
        gate.site.await_consumed()

        def are_settled() -> bool:
            states = {
                channel: Counter(each["state"] for each in deliveries(gate, channel).values())
                for channel in ("wall", "once")
            }
            return states == {
                "wall": {"sent": COUNT - len(blocked), "dead": len(blocked)},
                "once": {"sent": COUNT},
            }

        await_that(are_settled, lambda: engine.output, step_seconds=0.2)
        dead = {
            plate: each["reason"]
            for plate, each in deliveries(gate, "wall").items()
            if each["state"] == "dead"
        }
        assert dead == dict.fromkeys(blocked, "forbidden")
        engine.wait_for_line("target.held")
        held = [json.loads(each.text) for each in engine.lines.all() if "target.held" in each.text]
        assert "plain" in {line["channel"] for line in held}
        # Refusals in a row may hold the other one for a moment, but for no probe by the schedule.
        times = [request.at for request in hook.requests.all() if is_at(request, "wall")]
        assert max(times) - min(times) < 20
        assert {each["state"] for each in deliveries(gate, "plain").values()} == {"waiting"}
        refused = taken(hook.requests.all(), "plain")
        assert sum(refused.values()) <= 10
        good = taken(hook.requests.all(), "once")
        assert {plate for plate, count in good.items() if count > 1} == {"P00030"}

        hook.requests.clear()
        hook.script.clear(lambda request: Answer())
        engine.signal(signal.SIGHUP)
        await_that(
            lambda: {each["state"] for each in deliveries(gate, "plain").values()} == {"sent"},
            lambda: engine.output,
            step_seconds=0.2,
        )
        assert taken(hook.requests.all(), "plain") == dict.fromkeys(plates, 1)
