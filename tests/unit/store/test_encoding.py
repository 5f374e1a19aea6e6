"""Nothing changes on the way into the store and back."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from engine.store.model import (
    MAX_EVENT_BYTES,
    alert_parameters,
    cut_event,
    dead_letter_parameters,
    event_json,
)
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


@pytest.mark.parametrize("sign", ["x", "ü", "🚚", '"', "\0", "\ud800"])
def test_an_event_that_fits_to_the_byte_is_stored_whole(sign: str) -> None:
    event = {"a": sign * 1_000, "b": ""}
    event["b"] = "b" * (MAX_EVENT_BYTES - len(event_json(event)))
    assert len(event_json(event)) == MAX_EVENT_BYTES
    assert cut_event(event) is None
    event["b"] += "b"
    assert cut_event(event) is not None


@pytest.mark.parametrize("sign", ["x", "ü", "🚚", '"', "\0", "\ud800"])
@pytest.mark.parametrize("count", [1, 3, 200])
def test_the_longest_texts_of_a_large_event_are_cut(sign: str, count: int) -> None:
    long = sign * (2 * MAX_EVENT_BYTES // count)
    event = {"plate": {"text": "ABC-123", "region": None}, "notes": [long] * count, "n": 1.5}
    cut = cut_event(event)
    assert cut is not None
    assert 0 < len(event_json(cut)) <= MAX_EVENT_BYTES
    assert (cut["plate"], cut["n"]) == (event["plate"], 1.5)
    assert len(cut["notes"]) == count
    whole = stored_event({"long": long})["long"]
    for text in cut["notes"]:
        kept, _, mark = text.partition("…")
        assert kept
        assert whole.startswith(kept)
        assert mark == f" ({len(whole) - len(kept):,} characters cut)"


@pytest.mark.parametrize(
    "large",
    [
        [1.5] * MAX_EVENT_BYTES,
        {str(number): number for number in range(MAX_EVENT_BYTES // 4)},
        {"x" * MAX_EVENT_BYTES: None},
        ["a text"] * MAX_EVENT_BYTES,
        b"\xff" * MAX_EVENT_BYTES,
    ],
    ids=["numbers", "map", "name", "short texts", "bytes"],
)
def test_whatever_makes_an_event_large_its_stored_size_is_bounded(large: object) -> None:
    cut = cut_event({"plate": {"text": "ABC-123"}, "large": large, "more": [1] * 1_000})
    assert cut is not None
    assert len(event_json(cut)) <= MAX_EVENT_BYTES
    assert cut["plate"] == {"text": "ABC-123"}
    assert cut["more"] == [1] * 1_000
    assert "cut)" in cut["large"]


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
