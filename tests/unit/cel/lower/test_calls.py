"""Function calls as Python."""

from __future__ import annotations

import pytest

from engine.cel import evaluate
from engine.cel.lower.calls import call_function
from engine.cel.lower.fragments import constant, plain
from engine.cel.types.functions import FUNCTIONS
from engine.errors import EvaluationError
from tests.unit.cel.lower.lowered import body, quickly
from tests.unit.cel.plate_variables import compiled, event


def test_a_null_is_never_taken_for_a_value() -> None:
    assert "not_null" in body("string(vehicle.make)")
    assert "not_null" in body("vehicle.make.trim()")
    assert "not_null" not in body("camera_id.trim()")
    with pytest.raises(EvaluationError, match="null"):
        compiled("string(vehicle.color)").evaluate(event())


def test_a_literal_pattern_is_compiled_once() -> None:
    assert body("plate.text.matches('^a.*3$')") == "(k0(b[k1][k2]) is not None)"
    assert quickly(compiled("plate.text.matches('^a.*3$')"), event()) is True


def test_a_bad_pattern_fails_when_it_is_evaluated() -> None:
    assert call_function(FUNCTIONS["matches"], [plain("s", kind=str), constant("(")]) is None
    with pytest.raises(EvaluationError, match="regular expression"):
        evaluate("x.matches('(')", {"x": "a"})


@pytest.mark.parametrize("part", [name for name in FUNCTIONS if name.startswith("get")])
def test_parts_of_an_instant_are_read_off_its_datetime(part: str) -> None:
    for zone in ("", "'UTC'", "'Australia/Adelaide'", "'-02:30'"):
        text = f"time.{part}({zone}) == timestamp('2025-12-25T12:30:00Z').{part}({zone})"
        assert "instant" not in body(text)
        assert quickly(compiled(text), event()) is True


def test_the_moment_in_a_zone_is_made_once() -> None:
    text = "time.getHours('Asia/Tokyo') > 20 && time.getMinutes('Asia/Tokyo') == 30"
    assert body(text).count("astimezone") == 1


def test_unknown_types_are_dispatched_when_they_are_known() -> None:
    assert evaluate("size(x)", {"x": [1]}) == 1
    assert evaluate("double(x)", {"x": "1.5"}) == 1.5
    with pytest.raises(EvaluationError, match="can't be applied"):
        evaluate("size(x)", {"x": 1})
