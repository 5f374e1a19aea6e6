from __future__ import annotations

import dataclasses

import pytest

from engine.stream.record import Record

RECORD = Record("plates", 3, 42, 1_700_000_000_000, b"cam-1", None, (("trace", None),), 12.5)


def test_a_record_holds_what_kafka_gave() -> None:
    assert (RECORD.topic, RECORD.partition, RECORD.offset) == ("plates", 3, 42)
    assert RECORD.headers == (("trace", None),)
    assert RECORD.value is None, "a tombstone"


def test_a_record_is_never_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECORD.offset = 43  # type: ignore[misc]


def test_headers_and_the_time_of_reading_have_defaults() -> None:
    bare = Record("plates", 0, 0, 0, None, b"")
    assert (bare.headers, bare.read_at) == ((), 0.0)
