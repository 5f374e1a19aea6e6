"""Events of nearly a megabyte that ten rules alert on: how large store and engine become."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.sightings import sighting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EVENTS, RULE_COUNT, TEXT_BYTES = 100, 10, 900_000
MEBIBYTE = 1 << 20
RULE = """\
  - id: r{number}
    name: Every Plate
    when: "true"
    notify: [hook]
    rate_limit: {{enabled: false}}
    message_template: "{{plate.normalized_text}}"
"""
RULES = """\
channels:
  hook: {url: "${HOOK_URL}", timeout: 20}
rules:
""" + "".join(RULE.format(number=number) for number in range(RULE_COUNT))


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    with open_gate(broker, tmp_path, RULES) as opened:
        yield opened


def memory_bytes(pid: int, name: str) -> int:
    """`VmRSS` or `VmHWM`, the most so far, of a process."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_an_event_is_stored_once_and_not_whole(gate: Gate) -> None:
    now, chance = datetime.now(UTC), random.Random(1)

    def event(number: int) -> dict[str, object]:
        url = "https://images.example/" + "".join(
            chance.choices(string.ascii_letters, k=TEXT_BYTES)
        )
        images = {"plate_url": url, "vehicle_url": None, "frame_url": None}
        return sighting(f"P{number:05}", now, images=images)

    with gate.site.start() as engine:
        engine.wait_ready()
        before = memory_bytes(engine.pid, "VmRSS")
        for number in range(EVENTS):
            gate.site.publish([event(number)])
        gate.site.await_consumed()
        sent = "alert_engine_notifications_sent_total"
        await_that(
            lambda: (
                sum(
                    engine.metric(sent, channel="hook", rule_id=f"r{n}") or 0
                    for n in range(RULE_COUNT)
                )
                == EVENTS * RULE_COUNT
            ),
            lambda: engine.output[-2000:],
            patience_seconds=240,
            step_seconds=0.5,
        )
        most = memory_bytes(engine.pid, "VmHWM")
        assert engine.stop() == 0
    size = sum(path.stat().st_size for path in gate.site.folder.glob("alerts.db*"))
    growth = most - before
    print(f"store {size / MEBIBYTE:.1f} MiB, memory grew by {growth / MEBIBYTE:.0f} MiB")
    # 256 KiB of each event, and nothing of it for each rule.
    assert size < EVENTS * 300_000
    assert growth < 200 * MEBIBYTE
