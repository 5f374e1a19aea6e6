"""The compose file's stack: the way of an alert, kills and stops."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.image.conftest import tell
from tests.image.engine_image import DockerError, docker, inspect
from tests.image.stack import ENGINE, Stack, wait_until
from tests.support.sightings import sighting

pytestmark = pytest.mark.image

# Twice what is promised, for a machine that is busy.
READY_SECONDS = 10.0
MOST_IDLE_BYTES = 120_000_000
BURST = 300
STATUS_FIELDS = {"Uid": "10001", "CapEff": "0" * 16, "CapPrm": "0" * 16, "NoNewPrivs": "1"}


# Cooldowns are by event time: each reading of the run gets an instant of its own, 41 s apart.
SLOT_SECONDS = 41
_slots = itertools.count(1)
_begin = datetime.now(UTC)


ADDED = """\
rules:
  - id: added
    when: plate.normalized_text == "QQQ777"
    notify: [webhook]
"""


def metrics(stack: Stack) -> str:
    return stack.get("ALERT_ENGINE_PORT", "/metrics")[1]


def readings(count: int, plate: str = "ABC123") -> list[dict[str, Any]]:
    """Readings of a plate, by default on the demo's watchlist, none within another's cooldown."""
    instants = [_begin - timedelta(seconds=SLOT_SECONDS * next(_slots)) for _ in range(count)]
    return [sighting(plate, at, f"cam-{number}") for number, at in enumerate(instants)]


def ids(events: list[dict[str, Any]]) -> set[str]:
    return {event["event_id"] for event in events}


def test_an_event_becomes_a_webhook_and_a_mail(stack: Stack) -> None:
    events = readings(1)
    stack.publish(events)
    wait_until(lambda: ids(events) <= set(stack.webhook_events()), "the webhook")
    wait_until(lambda: any(each["channel"] == "email" for each in stack.inbox()), "the mail")
    status, page = stack.get("INBOX_PORT", "/")
    assert status == 200
    assert "ABC123" in page


def test_a_new_file_in_the_folder_of_rules_is_in_force(stack: Stack) -> None:
    added = stack.rules / "added.yaml"
    added.write_text(ADDED)
    try:
        wait_until(lambda: 'rule_id="added"' in metrics(stack), "the new rule in force")
        (event,) = readings(1, "QQQ777")
        stack.publish([event])
        wait_until(lambda: event["event_id"] in stack.webhook_events(), "the new rule's alert")
    finally:
        added.unlink()


def test_a_folder_of_rules_is_named_in_any_way_and_never_made(stack: Stack) -> None:
    ran = ("run", "--rm", "--no-deps", "alert-engine", "check")
    assert "good: " in stack.compose(*ran, RULES_DIR="deploy/demo")
    with pytest.raises(DockerError, match="does not exist"):
        stack.compose(*ran, RULES_DIR="./nowhere")
    assert not (stack.rules.parent.parent / "nowhere").exists()


def test_docker_calls_it_healthy(stack: Stack) -> None:
    assert inspect(ENGINE)["State"]["Health"]["Status"] == "healthy"


def test_it_has_no_privileges_and_writes_only_its_state(stack: Stack) -> None:
    host = inspect(ENGINE)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["Privileged"]
    status = docker("exec", ENGINE, "cat", "/proc/1/status")
    told = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if ":\t" in line}
    assert {name: told[name] for name in STATUS_FIELDS} == STATUS_FIELDS
    script = (
        "import os, json, tempfile\n"
        "def can(p):\n"
        "    try: tempfile.TemporaryFile(dir=p); return True\n"
        "    except OSError: return False\n"
        "print(json.dumps([p for p in ('/', '/app', '/app/config', '/opt/alert-engine', '/data',"
        " '/tmp') if can(p)]))"
    )
    assert json.loads(docker("exec", ENGINE, "python", "-c", script)) == ["/data", "/tmp"]


def test_the_environment_file_reaches_it_and_stays_out_of_its_log(stack: Stack) -> None:
    environment = docker("exec", ENGINE, "printenv", "WEBHOOK_TOKEN").strip()
    assert environment
    assert environment not in docker("logs", ENGINE)


def test_named_state_gives_no_warning(stack: Stack) -> None:
    assert "state.temporary" not in docker("logs", ENGINE)


def test_it_is_ready_in_seconds_beside_a_running_kafka(stack: Stack) -> None:
    taken: list[float] = []
    # Three tries: what is measured is the engine, not what else this machine does.
    while not taken or (min(taken) > READY_SECONDS and len(taken) < 3):
        docker("stop", ENGINE)
        started = time.monotonic()
        docker("start", ENGINE)
        wait_until(stack.is_ready, "ready")
        taken.append(time.monotonic() - started)
    tell(f"ready {min(taken):.1f} s after its start, beside a running Kafka")
    assert min(taken) <= READY_SECONDS


def test_it_needs_little_memory_when_idle(stack: Stack) -> None:
    wait_until(stack.is_ready, "ready")
    metrics = stack.get("ALERT_ENGINE_PORT", "/metrics")[1]
    found = re.search(r"^process_resident_memory_bytes (\S+)$", metrics, re.MULTILINE)
    assert found is not None
    used = float(found[1])
    tell(f"{used / 1_000_000:.0f} MB resident when idle")
    assert used <= MOST_IDLE_BYTES


def test_a_kill_in_the_middle_loses_nothing(stack: Stack) -> None:
    wait_until(stack.is_ready, "ready")
    events = readings(BURST)
    publisher = threading.Thread(target=stack.publish, args=(events,))
    publisher.start()
    wait_until(lambda: bool(ids(events) & set(stack.webhook_events())), "the first webhooks")
    docker("kill", "--signal", "KILL", ENGINE)
    publisher.join()
    docker("start", ENGINE)
    wait_until(lambda: ids(events) <= set(stack.webhook_events()), "every webhook")


def test_a_stop_ends_cleanly_with_the_last_batch_stored_and_committed(stack: Stack) -> None:
    # What was stored but not committed at the kill before is read again first.
    wait_until(stack.has_read_all, "all read")
    stored = stack.stored()
    before = stack.committed()
    events = readings(BURST)
    stack.publish(events)
    wait_until(lambda: bool(ids(events) & set(stack.webhook_events())), "the first webhooks")
    started = time.monotonic()
    docker("stop", "--time", "20", ENGINE)
    seconds = time.monotonic() - started
    assert inspect(ENGINE)["State"]["ExitCode"] == 0
    tell(f"stopped in {seconds:.1f} s")
    committed = stack.committed() - before
    assert committed == stack.stored() - stored > 0
    docker("start", ENGINE)
    wait_until(lambda: ids(events) <= set(stack.webhook_events()), "every webhook")


def test_the_demos_cameras_fill_the_inbox(stack: Stack) -> None:
    wait_until(stack.is_ready, "ready")
    stack.compose("up", "--detach", "--wait", "--no-build", "cameras")
    wait_until(lambda: "cam-garage" in stack.get("INBOX_PORT", "/alerts.json")[1], "an alert")
    stack.compose("stop", "--timeout", "5", "cameras")
