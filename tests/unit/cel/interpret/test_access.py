"""Reading variables, fields and elements."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.cel import evaluate
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError
from tests.unit.cel.plate_variables import NOON, compiled, event, failure_of, value_of


def dynamic_failure(expression: str, **bindings: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, bindings)
    return caught.value.error_type


def test_an_absent_field_reads_null_and_is_not_there() -> None:
    assert value_of("plate.region") is None
    assert value_of("plate.region == null") is True
    assert value_of("has(plate.region)") is False
    assert value_of("has(vehicle.make)") is True


def test_an_absent_record_reads_as_an_empty_one() -> None:
    assert value_of("extras == null") is True
    assert value_of("extras.direction") is None
    assert value_of("extras.lane") is None
    assert value_of("has(extras.direction)") is False
    assert value_of("has(extras.lane) || extras.direction == 'in'") is False


def test_a_record_that_is_there_is_read() -> None:
    extras = {"direction": "in", "lane": 2, "quality_score": None, "seen": NOON}
    assert value_of("extras.direction == 'in' && extras.lane == 2", extras=extras) is True
    assert value_of("extras.quality_score == null", extras=extras) is True
    assert value_of("extras.seen", extras=extras) == NOON
    assert value_of("extras.seen == time", extras=extras) is True
    assert value_of("extras == null", extras=extras) is False


def test_what_the_event_lacks_though_it_should_not_fails() -> None:
    assert failure_of("plate.confidence > 0.5", plate={}) == FailureKind.NO_FIELD
    assert failure_of("plate.confidence > 0.5", plate=None) == FailureKind.NO_FIELD
    assert failure_of("extras.lane == 1", extras={}) == FailureKind.NO_FIELD
    with pytest.raises(EvaluationError, match=r"the event has no 'camera_id'"):
        compiled("camera_id == 'a'").evaluate({})
    with pytest.raises(EvaluationError, match=r"the event has no 'plate.confidence'"):
        compiled("plate.confidence > 0.5").evaluate({"plate": {}})


def test_time_is_a_timestamp() -> None:
    assert value_of("time") == NOON
    assert value_of("time.getHours()") == 12
    assert value_of("time.getHours('America/New_York')") == 7
    assert value_of("time < timestamp('2026-01-01T00:00:00Z')") is True
    assert value_of("time", time=datetime(2025, 1, 1, 0, 0, 0, 1, tzinfo=UTC)).microsecond == 1


def test_lists_and_maps_of_the_event_are_read() -> None:
    assert value_of("tags[1]") == "night"
    assert value_of("'vip' in tags") is True
    assert value_of("labels.lane + labels['lane']") == "leftleft"
    assert value_of("has(labels.lane) && !has(labels.other)") is True
    assert failure_of("labels.other == 'a'") == FailureKind.NO_KEY
    assert failure_of("tags[2] == 'a'") == FailureKind.NO_INDEX


def test_a_field_of_a_plain_map_is_there_even_when_it_is_null() -> None:
    assert evaluate("has(x.a) && x.a == null", {"x": {"a": None}}) is True
    assert dynamic_failure("x.b", x={"a": None}) == FailureKind.NO_KEY
    assert dynamic_failure("x.a.b", x={"a": None}) == FailureKind.NULL_OPERAND
    assert dynamic_failure("has(x.a)", x=1) == FailureKind.NO_OVERLOAD


def test_elements_are_found_by_any_whole_number() -> None:
    assert evaluate("[7, 8][1u] + [7, 8][dyn(0.0)]") == 15
    assert evaluate("{1: 'a', true: 'b'}[1.0] + {1: 'a', true: 'b'}[true]") == "ab"
    assert dynamic_failure("[7][0.5]") == FailureKind.BAD_ARGUMENT
    assert dynamic_failure("[7][true]") == FailureKind.BAD_ARGUMENT
    assert dynamic_failure("[7][-1]") == FailureKind.NO_INDEX
    assert dynamic_failure("x[1]", x={"1": 1}) == FailureKind.NO_KEY
    assert dynamic_failure("'abc'[0]") == FailureKind.NO_OVERLOAD


def test_the_bindings_are_not_changed() -> None:
    given = event()
    compiled("tags.all(t, t != '') && extras == null").evaluate(given)
    assert given == event()
