"""Tests of dead letters: the record comes back byte for byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dead_letters.producer import recover, to_message
from engine.stream.record import DeadLetter, DeadLetterType, Record

NOW = datetime(2025, 12, 25, 16, 0, tzinfo=UTC)

binary = st.none() | st.binary(max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", "a.b", "header.0.x", "0", "value"]
)
records = st.builds(
    Record,
    topic=st.just("plates"),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**53),
    key=binary,
    value=binary,
    headers=st.lists(st.tuples(names, binary), max_size=15).map(tuple),
)


def letter(record: Record, message: str = "no magic byte") -> DeadLetter:
    return DeadLetter(record, DeadLetterType.SCHEMA_VALIDATION, message)


def record(
    key: bytes | None = b"cam-1", value: bytes | None = b"\x00\xff", offset: int = 7
) -> Record:
    return Record("plates", 3, offset, 1_000, key, value, (("h", b"\xff"),), read_at=5.0)


@given(records)
def test_any_record_is_recovered_byte_for_byte(original: Record) -> None:
    assert recover(to_message(letter(original), "group", NOW)) == original


def test_message_tells_where_the_record_was_and_what_is_wrong() -> None:
    dead = DeadLetter(record(), DeadLetterType.PROCESSING_FAILURE, "ValueError: x", "Traceback", 2)
    message = to_message(dead, "alpr-alert-engine", NOW)
    message.pop("dlq_id")
    assert message == {
        "timestamp": "2025-12-25T16:00:00+00:00",
        "original_topic": "plates",
        "original_partition": 3,
        "original_offset": 7,
        "original_key": "cam-1",
        "original_message": "AP8=",
        "consumer_group_id": "alpr-alert-engine",
        "error_type": "PROCESSING_FAILURE",
        "error_message": "ValueError: x",
        "error_stack_trace": "Traceback",
        "retry_count": 2,
        "metadata": {
            "encoding": "base64",
            "timestamp_ms": "1000",
            "key": "Y2FtLTE=",
            "header.0.h": "/w==",
        },
    }


@pytest.mark.parametrize(
    ("key", "shown"), [(None, None), (b"", ""), (b"\xffx", "\N{REPLACEMENT CHARACTER}x")]
)
def test_key_is_shown_as_text(key: bytes | None, shown: str | None) -> None:
    assert to_message(letter(record(key)), "group", NOW)["original_key"] == shown


def test_same_record_always_has_the_same_id_and_another_one_another() -> None:
    def id_of(original: Record) -> object:
        return to_message(letter(original), "group", NOW)["dlq_id"]

    assert id_of(record()) == id_of(record())
    assert len({id_of(record()), id_of(record(offset=8)), id_of(record(value=b"x"))}) == 3


def test_every_kind_of_failure_is_a_symbol_of_the_schema(repository: Path) -> None:
    schema = json.loads((repository / "schemas" / "dlq_message.avsc").read_text())
    (kind,) = [field["type"] for field in schema["fields"] if field["name"] == "error_type"]
    assert set(kind["symbols"]) == {str(each) for each in DeadLetterType}


def test_error_with_half_a_surrogate_pair_can_be_written() -> None:
    message = to_message(letter(record(), "bad \ud800"), "group", NOW)
    assert message["error_message"] == "bad \\ud800"
