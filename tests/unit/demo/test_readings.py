from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from engine.demo.cameras import make_plate, make_reading, overlay
from tests.support.avro import body, plate_schema

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reading(seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    return make_reading(
        chance, plate="ABC1234", camera="gate", confidence=0.5, captured_at=NOON, site="north"
    )


def test_a_reading_is_a_whole_event_of_the_shipped_schema() -> None:
    made = reading(1)
    assert plate_schema().complete(made) == made
    assert plate_schema().reader(plate_schema().text)(body(made)) == made


def test_what_is_given_is_in_it() -> None:
    made = reading(1)
    assert made["plate"] == {
        "text": "ABC-1234",
        "normalized_text": "ABC1234",
        "confidence": 0.5,
        "region": made["plate"]["region"],  # type: ignore[index]
    }
    assert (made["camera_id"], made["captured_at"]) == ("gate", "2026-03-01T12:00:00.000Z")


def test_the_same_chance_gives_the_same_reading() -> None:
    assert reading(1) == reading(1) != reading(2)


@pytest.mark.parametrize("digits", [3, 4])
def test_a_plate_has_three_letters_and_so_many_digits(digits: int) -> None:
    chance = random.Random(1)
    for _ in range(100):
        plate = make_plate(chance, digits)
        assert len(plate) == 3 + digits
        assert plate[:3].isalpha()
        assert plate[3:].isdigit()


def test_an_overlay_merges_records_and_replaces_all_else() -> None:
    event = {"a": {"x": 1, "y": {"z": 2}}, "b": None, "c": [1]}
    example = {"a": {"y": {"w": 3}}, "b": {"n": 1}, "c": [2], "d": 4}
    assert overlay(event, example) == {
        "a": {"x": 1, "y": {"z": 2, "w": 3}},
        "b": {"n": 1},
        "c": [2],
        "d": 4,
    }
    assert event == {"a": {"x": 1, "y": {"z": 2}}, "b": None, "c": [1]}
