"""Nothing changes on the way into the store and back."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from engine.store.model import alert_parameters, dead_letter_parameters, event_json
from engine.stream.record import DeadLetter, DeadLetterType, Record
from tests.unit.store.samples import Samples

FOUR = datetime(2025, 12, 25, 16, 0, 0, 250_000, tzinfo=UTC)
TEXT = "2025-12-25T16:00:00.25Z"


def stored_event(event: Any) -> Any:
    return orjson.loads(event_json(event))


@pytest.mark.parametrize(
    ("event", "stored"),
    [
        ({"a": {"b": None, "c": [1, 2.5, "ü"]}}, {"a": {"b": None, "c": [1, 2.5, "ü"]}}),
        (MappingProxyType({"a": MappingProxyType({"b": 1})}), {"a": {"b": 1}}),
        ({"a": b"\x00\xff"}, {"a": "AP8="}),
        ({"a": math.nan}, {"a": None}),
        ({"a": [math.inf, 1 << 70, "\ud800"]}, {"a": [None, float(1 << 70), "?"]}),
        ({"a": [FOUR, {"b": FOUR}]}, {"a": [TEXT, {"b": TEXT}]}),
        # What orjson refuses is written in another way, and reads the same.
        ({"a": FOUR, "b": "\ud800"}, {"a": TEXT, "b": "?"}),
    ],
)
def test_an_event_is_stored_as_json(event: object, stored: object) -> None:
    assert stored_event(event) == stored


def test_half_a_surrogate_pair_does_not_stop_the_stream(samples: Samples) -> None:
    new = samples.new()
    alert = replace(new.alert, message="a\ud800b\0c")
    parameters = alert_parameters(replace(new, alert=alert), 0)
    assert parameters["message"] == "a?b\ufffdc"
    assert stored_event({"plate": "\ud800"}) == {"plate": "?"}


def test_dead_letters_with_other_bytes_have_other_digests() -> None:
    letters = [
        DeadLetter(Record("t", 0, 1, 2, None, value), DeadLetterType.UNKNOWN, "m")
        for value in (b"one", b"two")
    ]
    digests = {dead_letter_parameters(each, 0)["digest"] for each in letters}
    assert len(digests) == 2
