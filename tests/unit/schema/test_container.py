"""Avro object container files are read as records of Kafka are."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, writer

from engine.errors import DecodeError
from engine.schema import EventContainer
from tests.support.avro import PLATE_EVENT, changed, plate_schema, record_schema
from tests.unit.plate import plate_event

EVENTS = [plate_event(seconds) for seconds in range(30)]


def container(events: list[dict[str, Any]], schema: str | None = None, **options: Any) -> bytes:
    stream = BytesIO()
    text = PLATE_EVENT.read_text(encoding="utf-8") if schema is None else schema
    writer(stream, parse_schema(json.loads(text)), events, sync_marker=b"s" * 16, **options)
    return stream.getvalue()


def read(data: bytes) -> list[dict[str, Any] | DecodeError]:
    return list(EventContainer(BytesIO(data), plate_schema()).records())


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_events_are_read_whatever_packs_them(codec: str) -> None:
    assert read(container(EVENTS, codec=codec, sync_interval=500)) == EVENTS


def test_an_empty_container_has_no_events() -> None:
    assert read(container([])) == []


def test_a_writers_schema_is_resolved_as_that_of_a_record() -> None:
    def rename(raw: dict[str, Any]) -> None:
        raw["fields"] = [each for each in raw["fields"] if each["name"] != "extras"]
        raw["fields"].append({"name": "new", "type": "int", "default": 0})

    events = [{**{k: v for k, v in each.items() if k != "extras"}, "new": 1} for each in EVENTS]
    assert read(container(events, changed(rename))) == EVENTS


def test_a_timestamp_becomes_the_text_that_the_schema_has() -> None:
    def stamp(raw: dict[str, Any]) -> None:
        raw["fields"][1]["type"] = {"type": "long", "logicalType": "timestamp-millis"}

    (found,) = read(container([{**EVENTS[0], "captured_at": 1_772_366_400_000}], changed(stamp)))
    assert isinstance(found, dict)
    assert found["captured_at"] == "2026-03-01T12:00:00Z"


def test_a_file_that_is_cut_gives_what_is_before_and_then_fails() -> None:
    data = container(EVENTS, sync_interval=500)
    found: list[Any] = []
    with pytest.raises(DecodeError, match="ends too early"):
        found += read_into(found, data[:-100])
    assert found == EVENTS[: len(found)]
    assert found


def read_into(found: list[Any], data: bytes) -> list[Any]:
    for each in EventContainer(BytesIO(data), plate_schema()).records():
        found.append(each)
    return []


def test_a_broken_event_takes_the_rest_of_its_block_and_no_more() -> None:
    data = container(EVENTS, codec="null", sync_interval=10)
    # The length of a text in an event in the middle.
    place = data.index(b"2026-03-01T12:00:10Z") - 1
    found = read(data[:place] + b"\x01" + data[place + 1 :])
    assert [each for each in found if isinstance(each, dict)] == [*EVENTS[:10], *EVENTS[11:]]
    assert sum(isinstance(each, DecodeError) for each in found) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no Avro object container"),
        (b"Obj\x01", "ends too early"),
        (b'{"a": 1}', "no Avro object container"),
        (b"Obj\x01" + b"\xff" * 20, "a number has no end"),
        (
            container([], record_schema({"name": "a", "type": "int"})),
            "does not fit com.alpr.events.PlateEvent",
        ),
        (container([], json.dumps("string")), "does not fit"),
        (
            container([], json.dumps([json.loads(PLATE_EVENT.read_text(encoding="utf-8"))])),
            "it is a union",
        ),
    ],
    ids=["empty", "cut", "json", "garbage", "other record", "text", "union"],
)
def test_what_is_no_container_of_events_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        read(data)


def test_an_unknown_codec_names_those_that_are_known() -> None:
    data = container(EVENTS[:1], codec="deflate").replace(b"\x0edeflate", b"\x0ecrumple")
    with pytest.raises(DecodeError, match="its codec is crumple, write it with bzip2, deflate"):
        read(data)


def test_avros_json_becomes_plain_values() -> None:
    plain = {
        **EVENTS[0],
        "vehicle": {**EVENTS[0]["vehicle"], "color": "red"},
        "extras": {"roi": "a", "direction": None, "quality_score": 0.5, "frame_number": None},
    }
    spelt = {
        **plain,
        "vehicle": {**plain["vehicle"], "color": {"string": "red"}},
        "extras": {
            "com.alpr.events.Extras": {
                "roi": {"string": "a"},
                "direction": None,
                "quality_score": {"float": 0.5},
                "frame_number": None,
            }
        },
    }
    assert plate_schema().from_avro_json(spelt) == plain
    assert plate_schema().from_avro_json(plain) == plain
