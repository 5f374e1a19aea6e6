"""The key of a cooldown: one text for what CEL calls equal, other texts for all else."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from engine.errors import EvaluationError
from engine.pipeline.cooldown import cooldown_key, track_key


def key_of(*values: Any) -> str | None:
    return cooldown_key("a_rule", [f"e{number}" for number in range(len(values))], values)


def test_a_key_is_canonical_text() -> None:
    text = cooldown_key("r", ["plate.normalized_text", "camera_id"], ["ABC", None])
    assert text == '["r",["plate.normalized_text","camera_id"],["ABC",null]]'


@pytest.mark.parametrize(
    "values",
    [
        *((), (None,), (None, None), ("",), ("  ",), ("\t\n\u00a0",), (None, "")),
        *(([],), ([None, ""],), ([[" "], None],), ({},), ({"a": ""},), (("",), "")),
    ],
)
def test_a_wholly_absent_key_is_none(values: tuple[Any, ...]) -> None:
    assert key_of(*values) is None


def test_a_key_that_is_partly_absent_is_one_of_the_rest() -> None:
    absent: list[Any] = [None, "", " ", [], {"a": None}]
    assert len({key_of(value, "cam-1") for value in absent}) == 1
    assert key_of("", "cam-1") == cooldown_key("a_rule", ["e0", "e1"], [None, "cam-1"])
    assert key_of("", "cam-1") != key_of("", "cam-2")
    assert key_of("", "cam-1") != key_of("cam-1", "")
    assert key_of("", 0) is not None
    assert key_of(False) is not None


def test_keys_that_are_stored_go_on_being_the_same() -> None:
    assert key_of(" ABC ") == '["a_rule",["e0"],[" ABC "]]'
    assert key_of(["", "ABC"], None) == '["a_rule",["e0","e1"],[["","ABC"],null]]'


def test_the_track_is_that_of_its_camera() -> None:
    event = {"camera_id": "cam-1", "track_id": "7", "plate": {}}
    assert track_key("r", event) == '["r",["camera_id","track_id"],["cam-1","7"]]'
    assert track_key("r", {**event, "track_id": ""}) == track_key("r", {"camera_id": "cam-1"})
    assert track_key("r", {"camera_id": " ", "track_id": None}) is None


def test_rule_and_expressions_are_part_of_the_key() -> None:
    keys = {cooldown_key(rule, [text], ["v"]) for rule in ("a", "b") for text in ("x", "y")}
    assert len(keys) == 4


def test_values_that_differ_in_cel_have_different_keys() -> None:
    noon = datetime(2025, 12, 25, 12, tzinfo=UTC)
    values: list[Any] = [
        *("a b", "1", "1.0", "true", "null", "ü", '"', "k", 1, 2, True, False, 0.5, 1.5, 1e300),
        *(
            math.inf,
            -math.inf,
            "inf",
            b"",
            b"k",
            [0],
            [1],
            [[1]],
            [1, 2],
            ["1"],
            {"b": 1},
            {"a": 1},
        ),
        *({"a": 2}, {1: "a"}, noon, noon + timedelta(microseconds=1), "2025-12-25T12:00:00Z"),
        *(timedelta(seconds=1), 1_000_000, {"duration": 1_000_000}, [None]),
    ]
    assert len({key_of(value) for value in values}) == len(values)
    assert len({key_of(value, None) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0, -0.0),
        (1 << 60, float(1 << 60)),
        (math.nan, math.nan),
        ([1, 2], (1.0, 2.0)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (
            datetime(2025, 12, 25, 12, tzinfo=UTC),
            datetime(2025, 12, 25, 7, tzinfo=timezone(timedelta(hours=-5))),
        ),
        (timedelta(minutes=1), timedelta(seconds=60)),
    ],
)
def test_values_that_are_equal_in_cel_have_one_key(one: object, other: object) -> None:
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize("value", [object(), datetime(2025, 12, 25), {1, 2}])
def test_a_value_without_canonical_text_is_an_evaluation_error(value: object) -> None:
    with pytest.raises(EvaluationError) as caught:
        key_of(value)
    assert caught.value.error_type == "dedup_key_type"
