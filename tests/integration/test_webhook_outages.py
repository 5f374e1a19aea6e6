"""Outages as long as real ones, with the waits that sites have: nobody has to help."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.answers import Answer
from tests.support.certificates import Certificates
from tests.support.kafka import Broker
from tests.support.patience import PATIENCE_SECONDS
from tests.support.webhook_scene import WebhookScene, gaps, message, open_scene

OUTAGE_SECONDS = 60.0
# The first probe of a held channel goes out after 30 s, the second 60 s later.
RECOVERY_SECONDS = 90.0 + PATIENCE_SECONDS
PAUSE_SECONDS = 3.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def fire_for(scene: WebhookScene, kind: str, seconds: float) -> list[str]:
    """An alert every few seconds, each brought by mail before the next; their messages."""
    plates: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        plates += scene.fire(kind, len(plates))
        time.sleep(PAUSE_SECONDS)
    return plates


def test_a_minutes_backlog_is_delivered_without_help(
    broker: Broker, certificates: Certificates, tmp_path: Path
) -> None:
    with open_scene(broker, certificates, tmp_path, ["away"]) as scene:
        hook = scene.hooks["away"]
        hook.down()
        plates = fire_for(scene, "away", OUTAGE_SECONDS)
        hook.up()
        arrived = hook.wait_for(len(plates), RECOVERY_SECONDS)
        assert sorted(message(request) for request in arrived) == sorted(plates)
        assert not scene.is_held("away")


def test_a_rotated_tokens_backlog_is_delivered_without_help(
    broker: Broker, certificates: Certificates, tmp_path: Path
) -> None:
    with open_scene(broker, certificates, tmp_path, ["rotated"]) as scene:
        hook = scene.hooks["rotated"]
        hook.answer_when(lambda _: True, Answer(401))
        plates = fire_for(scene, "rotated", OUTAGE_SECONDS / 2)
        scene.await_held("rotated")
        refused = len(hook.requests.all())
        assert refused <= 4, "three opinions and a probe: a held channel is not hammered"
        hook.script.clear()
        arrived = hook.wait_for(refused + len(plates), RECOVERY_SECONDS)[refused:]
        assert sorted(message(request) for request in arrived) == sorted(plates)


def test_the_tries_are_5_10_and_20_seconds_apart(
    broker: Broker, certificates: Certificates, tmp_path: Path
) -> None:
    with open_scene(broker, certificates, tmp_path, ["errors"]) as scene:
        hook = scene.hooks["errors"]
        hook.answer(Answer(500), Answer(500), Answer(500))
        scene.fire("errors", 1)
        first, second, third = gaps(hook.wait_for(4, 35.0 + PATIENCE_SECONDS))
        assert first >= 5
        assert second >= 10
        assert third >= 20
        assert scene.await_state("errors", "ERRORS1", "sent")["tries"] == 4
