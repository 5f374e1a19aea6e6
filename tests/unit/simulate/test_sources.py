"""Events come from files in all the forms in which people have them."""

from __future__ import annotations

import json
from datetime import UTC
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastavro import parse_schema, writer

from engine.errors import SourceError
from engine.schema.event import Event
from engine.simulate import sources
from engine.simulate.sources import FileSource, open_file
from tests.support.avro import PLATE_EVENT, plate_schema
from tests.unit.plate import plate_event

EVENTS = [plate_event(seconds) for seconds in range(5)]


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in values)


def source(data: bytes) -> FileSource:
    return FileSource(BytesIO(data), "events.jsonl", plate_schema(), UTC)


def events(read: FileSource) -> list[Event]:
    return [read.decoder.decode(record) for batch in read.batches(2) for record in batch]


def values(read: FileSource) -> list[Any]:
    return [event.values for event in events(read)]


def test_json_lines_are_events_blank_lines_are_not() -> None:
    read = source(b"\n" + lines(*EVENTS) + b"   \n")
    assert values(read) == EVENTS
    assert read.faults.count == 0


def test_the_last_line_needs_no_end() -> None:
    assert values(source(lines(*EVENTS).removesuffix(b"\n"))) == EVENTS


def test_missing_fields_get_their_defaults() -> None:
    (found,) = values(source(b'{"captured_at": "2026-03-01T12:00:00Z"}'))
    assert found == plate_schema().complete({"captured_at": "2026-03-01T12:00:00Z"})


def test_a_container_is_recognised_by_its_first_bytes() -> None:
    stream = BytesIO()
    writer(stream, parse_schema(json.loads(PLATE_EVENT.read_text(encoding="utf-8"))), EVENTS)
    read = source(stream.getvalue())
    assert values(read) == EVENTS
    assert read.position == len(stream.getvalue())


def test_what_console_consumers_print_before_the_value_gives_its_time() -> None:
    line = b"CreateTime:1772366400123\tPartition:0\tcam-1\t" + lines(EVENTS[0])
    (found,) = events(source(line))
    assert found.values == EVENTS[0]
    assert found.timestamp_ms == 1_772_366_400_123


def test_a_key_in_json_before_the_value_is_left_out() -> None:
    line = b'{"camera": "cam-1"}\t' + lines(EVENTS[0])
    assert values(source(line)) == [EVENTS[0]]


def test_avros_json_is_read() -> None:
    spelt = {**EVENTS[0], "vehicle": {**EVENTS[0]["vehicle"], "color": {"string": "red"}}}
    (found,) = values(source(lines(spelt)))
    assert found["vehicle"]["color"] == "red"


@pytest.mark.parametrize("is_text", [True, False])
def test_kcats_json_of_a_record_gives_its_payload_and_its_time(is_text: bool) -> None:
    payload = json.dumps(EVENTS[0]) if is_text else EVENTS[0]
    envelope = {"topic": "plates", "offset": 4, "ts": 1_772_366_400_123, "payload": payload}
    (found,) = events(source(lines(envelope)))
    assert found.values == EVENTS[0]
    assert found.timestamp_ms == 1_772_366_400_123


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"nonsense\n", "it is no JSON"),
        (b"[{}]\n", "it is a list, write one event a line, as with `jq"),
        (b"17\n", "it is no JSON object"),
        (b'{"captured_at": "x", "plat": 1}\n', "unknown field `plat`, did you mean `plate`?"),
        (b'{"plate": {}}\n', "its `captured_at` is no time, so nobody knows when it was"),
        (b'{"payload": 3, "ts": 1}\n', "its payload is no JSON object"),
    ],
)
def test_a_line_that_is_no_event_is_named_counted_and_skipped(line: bytes, fault: str) -> None:
    read = source(lines(EVENTS[0]) + line + lines(EVENTS[1]))
    assert values(read) == EVENTS[:2]
    assert read.faults.count == 1
    assert read.faults.first[0].startswith("events.jsonl:2: ")
    assert fault in read.faults.first[0]


def test_a_source_of_nothing_but_faults_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    read = source(b"x\n" * 100)
    read.faults.most = 10
    with pytest.raises(SourceError, match=r"10 events can't be read, the first: events.jsonl:1"):
        values(read)
    assert len(read.faults.first) == sources.SHOWN_FAULTS


def test_a_line_that_has_no_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_LINE_BYTES", 1_000)
    with pytest.raises(SourceError, match=r"events.jsonl:1: longer than"):
        values(source(b"x" * 2_000))


def test_a_broken_container_gives_the_events_before(tmp_path: Path) -> None:
    stream = BytesIO()
    schema = parse_schema(json.loads(PLATE_EVENT.read_text(encoding="utf-8")))
    writer(stream, schema, EVENTS, sync_interval=10)
    read = source(stream.getvalue()[:-5])
    assert values(read) == EVENTS[:4]
    assert read.faults.first == ["events.jsonl: behind event 4: the file ends too early"]


def test_a_container_of_other_records_is_an_error() -> None:
    stream = BytesIO()
    writer(stream, parse_schema({"type": "record", "name": "A", "fields": []}), [])
    with pytest.raises(SourceError, match=r"events.jsonl: the writer's schema does not fit"):
        values(source(stream.getvalue()))


def test_a_file_has_a_length_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(*EVENTS))
    with open_file(path, plate_schema(), UTC) as read:
        assert read.total == path.stat().st_size
        assert values(read) == EVENTS
        assert read.position == read.total
    with pytest.raises(SourceError, match=r"no.jsonl: can't be read: No such file"):
        open_file(tmp_path / "no.jsonl", plate_schema(), UTC)
