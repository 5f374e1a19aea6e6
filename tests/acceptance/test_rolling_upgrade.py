"""Two engines of different versions and rules run on one PostgreSQL, as during an upgrade."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import Answer
from tests.support.engine_process import EngineProcess
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.patience import await_that

RULES = """\
channels:
  hook: {{url: "${{HOOK_URL}}/both", timeout: 20}}
  {own}: {{url: "${{HOOK_URL}}/{own}", timeout: 20}}
rules:
  - id: every
    name: Every Plate
    when: "true"
    notify: [hook, {own}]
    rate_limit: {{enabled: false}}
    message_template: "{{plate.normalized_text}}"
"""
OLD, NEW = "bell", "siren"
NEW_VERSION = "99.0.0"
# Several rounds in which what waits for targets that are gone is settled.
SIDE_BY_SIDE_SECONDS = 60.0
BURST = 40

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def gate(broker: Broker, database: str, tmp_path: Path) -> Iterator[Gate]:
    """A site on PostgreSQL whose receiver takes what is for both engines' channel, and no more."""
    with open_gate(broker, tmp_path, RULES.format(own=OLD), STATE_URL=database) as opened:
        opened.hook.answer_when(lambda request: not request.path.endswith("/both"), Answer(503))
        yield opened


def start(gate: Gate, name: str, **environment: str) -> EngineProcess:
    """An engine with a folder of its own."""
    folder = gate.site.folder / name
    folder.mkdir()
    return gate.site.start(LAST_GOOD_PATH=str(folder / "last-good"), **environment)


def start_new(gate: Gate) -> EngineProcess:
    """An engine of another version, with other rules."""
    rules = gate.site.folder / "new.yaml"
    rules.write_text(RULES.format(own=NEW))
    packages = gate.site.folder / "packages"
    installed = distribution("alpr-alert-engine").locate_file("")
    (found,) = Path(str(installed)).glob("alpr_alert_engine-*.dist-info")
    copied = packages / f"alpr_alert_engine-{NEW_VERSION}.dist-info"
    shutil.copytree(found, copied)
    text = (copied / "METADATA").read_text()
    version = distribution("alpr-alert-engine").version
    (copied / "METADATA").write_text(
        text.replace(f"\nVersion: {version}\n", f"\nVersion: {NEW_VERSION}\n")
    )
    return start(gate, "new", RULES_PATH=str(rules), PYTHONPATH=str(packages))


def status(gate: Gate) -> dict[str, Any]:
    """What `alert-engine status` tells now."""
    found: dict[str, Any] = json.loads(gate.site.command("status", "--format", "json")[1])
    return found


def are_there(gate: Gate, count: int) -> bool:
    """Whether so many engines run."""
    return [each["is_running"] for each in status(gate)["replicas"]].count(True) == count


def waiting(gate: Gate) -> dict[str, int]:
    """How many deliveries wait, by channel."""
    return {each["channel"]: each["count"] for each in status(gate)["waiting"]}


def paths(gate: Gate, path: str) -> set[str]:
    """The plates that a path of the receiver was sent."""
    return {
        request.json()["alert"]["message"]
        for request in gate.hook.requests.all()
        if request.path.endswith(path)
    }


def test_engines_of_two_versions_give_up_nothing_of_each_other(gate: Gate) -> None:
    with ExitStack() as engines:
        old = engines.enter_context(start(gate, "old"))
        old.wait_ready()
        new = engines.enter_context(start_new(gate))
        new.wait_ready()
        await_that(partial(are_there, gate, 2), partial(status, gate), step_seconds=0.5)

        found = status(gate)
        assert found["rule_sets_differ"]
        assert len({each["version"] for each in found["replicas"]}) == 2
        assert NEW_VERSION in {each["version"] for each in found["replicas"]}

        # Until both have read something: each gives its own channel deliveries, which must wait.
        seen: list[str] = []

        def both_wait() -> bool:
            seen.extend(gate.see(BURST))
            return {OLD, NEW} <= waiting(gate).keys()

        await_that(both_wait, partial(waiting, gate), step_seconds=1.0)
        gate.await_plates(seen)
        gate.site.await_consumed()
        before = waiting(gate)

        began = max(each["last_seen"] for each in status(gate)["replicas"])
        await_that(
            lambda: all(
                _seconds(each["last_seen"]) >= _seconds(began) + SIDE_BY_SIDE_SECONDS
                for each in status(gate)["replicas"]
            ),
            partial(status, gate),
            patience_seconds=4 * SIDE_BY_SIDE_SECONDS,
            step_seconds=1.0,
        )
        after = status(gate)
        assert after["dead_within_a_day"] == {}
        assert waiting(gate) == before
        assert "channel_removed" not in old.output + new.output

        # The upgrade ends: the new engine is alone, and settles what only the old one knew.
        assert old.stop() == 0
        await_that(lambda: OLD not in waiting(gate), partial(status, gate), step_seconds=0.5)
        assert waiting(gate)[NEW] == before[NEW]
        gate.hook.script.clear()
        gate.site.command("alerts", "redeliver", "--channel", NEW)
        await_that(lambda: not waiting(gate), partial(status, gate), step_seconds=0.5)
        assert paths(gate, "/both") == {*seen}
        assert new.stop() == 0


def _seconds(text: str) -> float:
    """An instant that `status` tells, in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()
