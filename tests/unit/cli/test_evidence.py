"""What `explain` shows of a condition that compares plates by likeness."""

from __future__ import annotations

from engine.cel import compile_condition, conjunction
from engine.cel.trace import trace
from engine.cli.evidence import condition_lines, trace_json
from tests.unit.cel import plate_lists
from tests.unit.cel.plate_variables import EXAMPLES, VARIABLES, event

PLATE = "plate.normalized_text"
NEAR = event(plate={**event()["plate"], "normalized_text": "A8C123"})


def test_the_nearest_plate_stands_below_its_condition() -> None:
    parts = [
        compile_condition(
            PLATE, "similar_in_watchlist", "noted", VARIABLES, EXAMPLES, plate_lists.lists(), 0.95
        ),
        plate_lists.compiled(f'closest(watchlist("noted"), {PLATE}).likeness > 0.97 || is_test'),
    ]
    assert condition_lines(trace(conjunction(parts), NEAR)) == [
        f'true   {PLATE} similar_in_watchlist noted (threshold 0.95)   ({PLATE} is "A8C123")',
        f'       as CEL: similar({PLATE}, watchlist("noted"), 0.95)',
        "       nearest: ABC123, likeness 0.967: 8↔B 20, at 2",
        f'false  closest(watchlist("noted"), {PLATE}).likeness > 0.97 || is_test',
        f'false    closest(watchlist("noted"), {PLATE}).likeness > 0.97   ({PLATE} is "A8C123")',
        "         nearest: ABC123, likeness 0.967: 8↔B 20, at 2",
        "false    is_test",
    ]


def test_json_has_the_nearest_plate_at_its_part() -> None:
    found = trace_json(trace(plate_lists.compiled(f'similar({PLATE}, "ABC123")'), NEAR))
    assert found["near"] == "ABC123, likeness 0.967: 8↔B 20, at 2"
    assert "near" not in found["parts"][0]
