"""Killed anywhere, the engine loses no alert and repeats at most what was in flight."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.service.engine import KillPoint
from tests.support.kafka import Broker
from tests.support.victim import Victim, open_victims

# Twice what is wanted, for a machine that is busy.
AGAIN_SECONDS = 20.0
ROUNDS = 3
RANDOM_KILLS = 29
# The group does without a dead member sooner; the slow tests show the default.
SHORT_SESSION = {"KAFKA_CONFIG_SESSION_TIMEOUT_MS": "2000"}
SEED = 20251225


def kill_and_raise(victims: Sequence[Victim], kill_points: Sequence[str]) -> None:
    """Every victim dies at its kill point and must be consuming soon after its restart."""
    for victim, kill_point in zip(victims, kill_points, strict=True):
        victim.live(kill_point)
    for victim in victims:
        victim.await_death()
    raise_all(victims)


def raise_all(victims: Sequence[Victim]) -> None:
    """Every victim must be consuming soon after its restart."""
    restarts = [victim.rise() for victim in victims]
    for victim, restart in zip(victims, restarts, strict=True):
        assert victim.seconds_to(restart) <= AGAIN_SECONDS, victim.said


def retire(victims: Sequence[Victim]) -> None:
    """Everything is delivered in the end, as the receivers have it."""
    for victim in victims:
        victim.retire()
        victim.judge()


@pytest.mark.slow
def test_a_kill_at_any_step_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    kill_points = ["read:2", "store:2", "commit:2", "sent:5", "mark:7"]
    with open_victims(broker, tmp_path, len(kill_points), **SHORT_SESSION) as victims:
        kill_and_raise(victims, kill_points)
        retire(victims)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_at_every_step_lose_nothing(broker: Broker, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    points = list(KillPoint)
    with open_victims(broker, tmp_path, len(points)) as victims:
        for _ in range(ROUNDS):
            kill_and_raise(victims, [f"{point}:{chance.randint(1, 5)}" for point in points])
        retire(victims)
        assert sum(victim.kills for victim in victims) == ROUNDS * len(points)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_at_random_lose_nothing(broker: Broker, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with open_victims(broker, tmp_path, 6) as victims:
        left = RANDOM_KILLS
        raise_all(victims)
        while left > 0:
            dying = victims[: min(left, len(victims))]
            for victim in dying:
                victim.die_somewhere(chance)
            raise_all(dying)
            left -= len(dying)
        retire(victims)
        assert sum(victim.kills for victim in victims) == RANDOM_KILLS
