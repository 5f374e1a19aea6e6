"""The oracle says of each rule where it holds; the rules that the engines run are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine import open_rules
from tests.chaos import oracle
from tests.chaos.oracle import CAMERAS, PLATES, Event, matches
from tests.chaos.street import as_published

EVENT = Event("e-1", 1_764_000_000_000, PLATES[20], "cam-1", 0.25, "blue")


def held(**fields: object) -> list[str]:
    """The rules that hold on an event with these fields."""
    event = replace(EVENT, **fields)  # type: ignore[arg-type]
    return [match.rule.rule_id for match in matches([event])]


def test_each_rule_holds_where_it_says() -> None:
    assert held() == []
    assert held(plate=PLATES[0]) == ["listed"]
    assert held(confidence=0.75) == ["sure"]
    assert held(color="red") == ["red"]
    assert held(plate=PLATES[7], confidence=0.75, color="red") == ["listed", "sure", "red"]


def test_keys_are_plate_camera_and_event() -> None:
    event = replace(EVENT, plate=PLATES[0], confidence=0.75, color="red")
    keys = [match.key for match in matches([event])]
    assert keys == [("listed", "CAR00"), ("sure", "cam-1"), ("red", "e-1")]


@pytest.mark.parametrize("plate", PLATES)
def test_the_engine_has_the_same_rules(plate: str) -> None:
    rules = open_rules(Path(oracle.__file__).with_name("rules.yaml"))
    for camera, confidence, color in zip(
        CAMERAS, (0.25, 0.75) * 4, ("red", "red", "blue", "blue") * 2, strict=True
    ):
        event = Event("e-1", EVENT.at_ms, plate, camera, confidence, color)
        expected = [match.rule.rule_id for match in matches([event])]
        assert [match.rule_id for match in rules.match(as_published(event))] == expected
