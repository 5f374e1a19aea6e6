"""The profile `replicas`: two engines on one PostgreSQL, of which one is killed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.image.engine_image import docker
from tests.image.stack import ENGINE, ENGINE_PORTS, SECOND_ENGINE, Stack, wait_until
from tests.support.sightings import sighting

pytestmark = pytest.mark.image

# Longer than the cooldown of the demo's rules.
APART = timedelta(seconds=41)
BURST = 50


def readings(count: int, before: timedelta) -> list[dict[str, Any]]:
    """Readings of a plate on the demo's watchlist, at as many cameras, so far in the past."""
    at = datetime.now(UTC) - before
    return [sighting("ABC123", at - number * APART, f"cam-{number}") for number in range(count)]


def arrived(stack: Stack, events: list[dict[str, Any]]) -> list[int]:
    """How often each event has arrived."""
    counts = Counter(stack.webhook_events())
    return [counts[event["event_id"]] for event in events]


def status(stack: Stack) -> dict[str, Any]:
    """What `alert-engine status` tells in the second engine's container, good or not."""
    container = stack.container(SECOND_ENGINE)
    words = "alert-engine status --format json || true"
    found = json.loads(docker("exec", container, "sh", "-c", words))
    assert isinstance(found, dict)
    return found


def test_both_engines_are_ready_and_known(replicas: Stack) -> None:
    # An engine is not ready before its topic exists.
    replicas.publish(readings(1, timedelta(hours=3)))
    for port in ENGINE_PORTS:
        wait_until(partial(replicas.is_ready, port), f"{port} ready")
    wait_until(lambda: len(status(replicas)["replicas"]) == 2, "two in the store")
    found = status(replicas)
    assert found["is_good"], found
    assert found["store"]["engine"].startswith("PostgreSQL")


def test_what_both_read_is_alerted_once(replicas: Stack) -> None:
    events = readings(BURST, timedelta(hours=1))
    replicas.publish(events)
    wait_until(lambda: all(arrived(replicas, events)), "every webhook")
    assert arrived(replicas, events) == [1] * BURST


def test_when_one_is_killed_the_next_event_is_alerted_once(replicas: Stack) -> None:
    docker("kill", "--signal", "KILL", ENGINE)
    events = readings(BURST, timedelta(minutes=5))
    replicas.publish(events)
    wait_until(lambda: all(arrived(replicas, events)), "every webhook")
    assert arrived(replicas, events) == [1] * BURST
    wait_until(lambda: not status(replicas)["is_good"], "the lost one is missed")
    assert "one engine is left of 2" in status(replicas)["problems"][0]
    docker("start", ENGINE)
    wait_until(lambda: status(replicas)["is_good"], "both again")
