"""Killed anywhere, the engine loses no alert and repeats at most what was in flight."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pytest

from engine.service.kill_points import KillPoint
from tests.support.kafka import Broker
from tests.support.victim import Victim, open_victims

# Twice what is wanted, and for half of the restarts: one may meet a moment in which all is slow.
AGAIN_SECONDS = 20.0
ROUNDS = 3
RANDOM_KILLS = 29
# The group does without a dead member sooner; the slow tests show the default.
SHORT_SESSION = {"KAFKA_CONFIG_SESSION_TIMEOUT_MS": "2000"}
SEED = 20251225


def kill_and_raise(victims: Sequence[Victim], faults: Sequence[str]) -> list[float]:
    """Every victim dies at its fault point and is started again; what `raise_all` returns."""
    for victim, fault in zip(victims, faults, strict=True):
        victim.live(fault)
    for victim in victims:
        victim.await_death()
    return raise_all(victims)


def raise_all(victims: Sequence[Victim]) -> list[float]:
    """Start every victim; how many seconds each took until it was consuming."""
    restarts = [victim.rise() for victim in victims]
    return [victim.seconds_to(restart) for victim, restart in zip(victims, restarts, strict=True)]


def retire(victims: Sequence[Victim]) -> None:
    """Everything is delivered in the end, as the receivers have it."""
    for victim in victims:
        victim.retire()
        victim.judge()


@pytest.mark.slow
def test_a_kill_at_any_step_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    faults = ["read:2", "store:2", "commit:2", "sent:5", "mark:7"]
    with open_victims(broker, tmp_path, len(faults), **SHORT_SESSION) as victims:
        taken = kill_and_raise(victims, faults)
        retire(victims)
    assert median(taken) <= AGAIN_SECONDS


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_at_every_step_lose_nothing(broker: Broker, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    points = list(KillPoint)
    with open_victims(broker, tmp_path, len(points)) as victims:
        taken: list[float] = []
        for _ in range(ROUNDS):
            faults = [f"{point}:{chance.randint(1, 5)}" for point in points]
            taken += kill_and_raise(victims, faults)
        retire(victims)
        assert sum(victim.kills for victim in victims) == ROUNDS * len(points)
    assert median(taken) <= AGAIN_SECONDS


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_at_random_lose_nothing(broker: Broker, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with open_victims(broker, tmp_path, 6) as victims:
        left = RANDOM_KILLS
        taken = raise_all(victims)
        while left > 0:
            dying = victims[: min(left, len(victims))]
            for victim in dying:
                victim.die_somewhere(chance)
            taken += raise_all(dying)
            left -= len(dying)
        retire(victims)
        assert sum(victim.kills for victim in victims) == RANDOM_KILLS
    assert median(taken) <= AGAIN_SECONDS
