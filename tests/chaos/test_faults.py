"""Faults are dealt like cards."""

from __future__ import annotations

import random

from tests.chaos.faults import Fault, deal


def test_every_fault_strikes_before_any_strikes_again() -> None:
    table = [Fault(name, lambda scene, chance: None) for name in "abcd"]
    dealt = [fault.name for fault in deal(table, 10, random.Random(1))]
    assert sorted(dealt[:4]) == sorted(dealt[4:8]) == list("abcd")
    assert len(set(dealt[8:])) == 2


def test_a_seed_deals_the_same_faults_again() -> None:
    table = [Fault(name, lambda scene, chance: None) for name in "abcd"]
    first, second = ([fault.name for fault in deal(table, 9, random.Random(7))] for _ in range(2))
    assert first == second
