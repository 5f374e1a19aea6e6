"""The cooldown's two rules hold over shuffled partitions, wrong clocks and a restart."""

from __future__ import annotations

import random
import zlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.demo.servers import RegistryServer
from tests.support.answers import Request
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import PARTITIONS, Broker
from tests.support.sightings import sighting
from tests.support.site import Site

COOLDOWN_SECONDS = 300
PLATES = tuple(f"PLT{number:03}" for number in range(20))
SIGHTINGS_OF_A_PLATE = 30
HOURS = 2
# Seconds by which each camera's clock is wrong; the first and the last are 10 minutes apart.
CLOCKS = (0.0, 137.5, 411.25, 600.0)
LAST_PLATE = "LAST999"

RULES = """
notifications:
  webhook: {enabled: true, url: "${WEBHOOK_URL}", method: POST}
rules:
  - id: seen
    name: Seen
    priority: high
    when: plate.normalized_text.startsWith("PLT")
    notify: [webhook]
    rate_limit: {enabled: true, cooldown_seconds: 300, dedup_key: plate.normalized_text}
    message_template: "{plate.normalized_text}"
  - id: last
    name: Sent after all others
    priority: low
    when: plate.normalized_text == "LAST999"
    notify: [webhook]
    message_template: "{plate.normalized_text}"
"""


def cameras() -> tuple[str, ...]:
    """One camera for each partition, as librdkafka's partitioner spreads the keys."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < PARTITIONS:
        name = f"cam-{number}"
        found.setdefault(zlib.crc32(name.encode()) % PARTITIONS, name)
        number += 1
    return tuple(found[partition] for partition in range(PARTITIONS))


def shuffled_sightings(chance: random.Random) -> list[dict[str, Any]]:
    """Every plate at every camera, by the cameras' own clocks, in no order at all."""
    start = datetime.now(UTC) - timedelta(hours=HOURS + 1)
    events = []
    for plate in PLATES:
        for _ in range(SIGHTINGS_OF_A_PLATE):
            index = chance.randrange(PARTITIONS)
            seconds = round(chance.uniform(0, HOURS * 3600), 3) + CLOCKS[index]
            at = start + timedelta(seconds=seconds)
            events.append(sighting(plate, at, camera=cameras()[index]))
    chance.shuffle(events)
    return events


@pytest.fixture
def site(tmp_path: Path, broker: Broker, http_receiver: HttpReceiver) -> Iterator[Site]:
    """An engine's surroundings with one webhook."""
    # Small batches, so that verdicts are made over many transactions.
    environment = {"WEBHOOK_URL": http_receiver.url, "BATCH_SIZE": "16"}
    with RegistryServer() as registry:
        yield Site(tmp_path, broker, registry.url, RULES, environment)


def instants(sightings: list[dict[str, Any]]) -> dict[str, list[float]]:
    """The times of each plate's events, in seconds, sorted."""
    found: dict[str, list[float]] = defaultdict(list)
    for event in sightings:
        at = datetime.fromisoformat(event["captured_at"]).timestamp()
        found[event["plate"]["normalized_text"]].append(at)
    return {plate: sorted(times) for plate, times in found.items()}


def is_last(request: Request) -> bool:
    """Whether this is the alert that ends the test."""
    return bool(request.json()["alert"]["rule_id"] == "last")


@pytest.mark.slow
def test_alerts_keep_their_distance_and_no_match_is_without_one(
    site: Site, http_receiver: HttpReceiver
) -> None:
    events = shuffled_sightings(random.Random(20251225))
    half = len(events) // 2
    with site.start() as engine:
        site.publish(events[:half])
        http_receiver.wait_for(10)
        assert engine.stop() == 0
    site.publish(events[half:])
    with site.start() as engine:
        site.await_consumed()
        site.see(LAST_PLATE, datetime.now(UTC))
        http_receiver.requests.wait_for(1, where=is_last)
        assert engine.stop() == 0
    arrived = [request for request in http_receiver.requests.all() if not is_last(request)]
    keys = [request.headers["idempotency-key"] for request in arrived]
    assert len(set(keys)) == len(keys)
    alerts = instants([request.json()["event"] for request in arrived])
    for plate, times in alerts.items():
        gaps = [later - sooner for sooner, later in pairwise(times)]
        assert min(gaps, default=COOLDOWN_SECONDS) >= COOLDOWN_SECONDS, plate
    for plate, times in instants(events).items():
        for at in times:
            nearest = min(abs(at - alert) for alert in alerts[plate])
            assert nearest < COOLDOWN_SECONDS, f"{plate} at {at}"
