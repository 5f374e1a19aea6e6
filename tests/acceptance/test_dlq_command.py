"""`alert-engine dlq` on the letters of a topic and of the store: list, show, put back once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import Message, TopicPartition

from engine.dead_letters.producer import DeadLetterProducer, letter_id
from engine.dead_letters.replayer import REPLAYED_HEADER
from engine.demo.servers import RegistryServer
from engine.schema import RecordWriter
from engine.settings import Settings
from engine.store import OpenMode, open_store
from engine.stream.record import DeadLetter, DeadLetterType, Record, framed
from tests.support.gate import Gate, open_gate
from tests.support.kafka import PARTITIONS, Broker, RealKafka
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA
from tests.support.stream import Publisher

HEADERS = (("trace", b"\x00\xff"), ("trace", None), ("", b""))
AT_MS = 1_766_678_400_123
#: How many letters of each type the large test has.
EACH = 250


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    with open_gate(broker, tmp_path) as opened:
        # The store that the command marks letters in.
        open_store(opened.site.environment["STATE_URL"], OpenMode.ENGINE).close()
        yield opened


def record(gate: Gate, offset: int, value: bytes | None = b"\x00\xff", **more: Any) -> Record:
    return Record(gate.site.topic, 0, offset, AT_MS, b"cam\xff", value, HEADERS, **more)


def letter(
    of: Record, kind: DeadLetterType = DeadLetterType.SCHEMA_VALIDATION, message: str = "no event"
) -> DeadLetter:
    return DeadLetter(of, kind, message, "Traceback", 1)


def publish(gate: Gate, letters: Sequence[DeadLetter]) -> None:
    """Write these letters to their topic, as the engine does."""
    producer = DeadLetterProducer(Settings.from_environment(gate.site.environment))
    producer.publish(letters)
    producer.close()


def dlq(gate: Gate, *arguments: str) -> Any:
    status, out, err = gate.site.command("dlq", *arguments, "--format", "json")
    assert status == 0, err
    return json.loads(out)


def on_topic(gate: Gate) -> list[Message]:
    """Everything that is on the topic of the events, by partition and offset."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": gate.site.broker.bootstrap_servers,
            "group.id": "nobody",
            "enable.partition.eof": True,
        }
    )
    places = [TopicPartition(gate.site.topic, number, 0) for number in range(PARTITIONS)]
    consumer.assign(places)
    found: list[Message] = []
    ends = 0
    while ends < PARTITIONS:
        message = consumer.poll(PATIENCE_SECONDS)
        assert message is not None
        if message.error() is None:
            found.append(message)
        else:
            ends += 1
    consumer.close()
    return sorted(found, key=lambda each: (each.partition(), each.offset()))


def headers(message: Message) -> list[tuple[str, Any]]:
    found = message.headers() or []
    assert isinstance(found, list)
    return found


def as_it_was(message: Message, original: Record, group: str) -> None:
    """Assert that a message is the record, with the header that names its letter."""
    assert (message.key(), message.value()) == (original.key, original.value)
    assert message.timestamp()[1] == original.timestamp_ms
    mark = (REPLAYED_HEADER, letter_id(original, group).encode())
    assert headers(message) == [*original.headers, mark]


def test_letters_are_listed_shown_and_put_back_once(gate: Gate) -> None:
    first, second = record(gate, 7), record(gate, 8, value=b"")
    publish(gate, [letter(first), letter(second, DeadLetterType.TIMEOUT), letter(first)])
    kept = record(gate, 9, value=b"kept")
    with open_store(gate.site.environment["STATE_URL"], OpenMode.TOOL) as store:
        store.letters.keep([letter(kept), letter(second)])
    newest = dlq(gate, "list", "--limit", "2")
    assert [each["is_kept"] for each in newest] == [True, False]
    listed = dlq(gate, "list")
    by_offset = {each["offset"]: each for each in listed}
    assert (len(listed), listed[0]["offset"], {*by_offset}) == (3, 9, {7, 8, 9})
    assert by_offset[8]["error_type"] == "TIMEOUT"
    assert [each["offset"] for each in dlq(gate, "list", "--type", "TIMEOUT")] == [8]
    assert dlq(gate, "list", "--partition", "1") == dlq(gate, "list", "--until", "1d") == []

    shown = dlq(gate, "show", by_offset[7]["letter_id"][:12])
    assert (shown["value"], shown["key"], shown["stack_trace"]) == ("AP8=", "Y2Ft/w==", "Traceback")
    assert shown["headers"][1] == {"name": "trace", "value": None}

    dry = dlq(gate, "replay", "--dry-run")
    assert (dry["replayed"], dry["is_dry_run"]) == (3, True)
    assert on_topic(gate) == []
    done = dlq(gate, "replay", by_offset[7]["letter_id"], by_offset[9]["letter_id"])
    assert done["by_type"] == {"SCHEMA_VALIDATION": 2}
    rest = dlq(gate, "replay")
    assert (rest["by_type"], rest["replayed_before"]) == ({"TIMEOUT": 1}, 2)
    for message, original in zip(on_topic(gate), (first, kept, second), strict=True):
        as_it_was(message, original, gate.site.group)
    assert dlq(gate, "replay")["replayed"] == 0
    assert all(each["replayed_at"] for each in dlq(gate, "list"))

    again = dlq(gate, "replay", "--type", "TIMEOUT", "--again")
    assert again["replayed"] == 1
    assert len(on_topic(gate)) == 4


def test_a_record_that_was_replayed_and_died_again_names_its_new_letter(gate: Gate) -> None:
    original = record(gate, 7)
    died_again = replace(original, offset=12, headers=(*HEADERS, (REPLAYED_HEADER, b"before")))
    publish(gate, [letter(died_again)])
    dlq(gate, "replay")
    (message,) = on_topic(gate)
    mark = (REPLAYED_HEADER, letter_id(died_again, gate.site.group).encode())
    assert headers(message) == [*HEADERS, mark]


def test_a_partition_that_is_gone_is_replaced_and_a_lost_topic_is_told(gate: Gate) -> None:
    publish(gate, [letter(replace(record(gate, 1), partition=5))])
    assert dlq(gate, "replay")["replayed"] == 1
    assert len(on_topic(gate)) == 1
    status, out, err = gate.site.command("dlq", "show", "zz")
    assert (status, out) == (2, "")
    assert "no single letter's id begins with 'zz'" in err


def test_without_letters_there_is_nothing_to_do(gate: Gate) -> None:
    assert gate.site.command("dlq", "list") == (0, "no dead letters", "")
    assert gate.site.command("dlq", "replay") == (0, "replayed: 0", "")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_thousand_letters_become_alerts_once_their_schema_is_mended(
    own_kafka: RealKafka, tmp_path: Path
) -> None:
    text = EVENT_SCHEMA.read_text()
    writer = RecordWriter(text)
    # The id that a registry gives, which that of the site does not know yet.
    with RegistryServer() as another:
        schema_id = another.register("plates-value", text)
    now = datetime.now(UTC)
    kinds = [kind for kind in DeadLetterType if kind is not DeadLetterType.UNKNOWN]
    plates = [f"D{number:05}" for number in range(EACH * len(kinds))]
    values = {plate: framed(schema_id, writer.write(sighting(plate, now))) for plate in plates}
    with open_gate(own_kafka, tmp_path, BATCH_SIZE="200") as gate:
        # One that knows no schema at all would be in doubt for longer.
        gate.registry.register("others-value", '"string"')
        with gate.site.start() as engine:
            engine.wait_ready()
            # Those that the engine itself refuses, and those of other engines.
            publisher = Publisher(own_kafka.bootstrap_servers)
            for number, plate in enumerate(plates[:EACH]):
                publisher.publish(
                    gate.site.topic,
                    values[plate],
                    key=plate.encode(),
                    headers=list(HEADERS),
                    partition=number % PARTITIONS,
                    timestamp_ms=round(now.timestamp() * 1_000) + number,
                )
            name = "alert_engine_dead_letters_total"
            engine.wait_for_metric(name, EACH, 120.0, error_type="SCHEMA_VALIDATION")
            others = [
                Record(
                    gate.site.topic, 0, 10_000 + number, 0, plate.encode(), values[plate], HEADERS
                )
                for number, plate in enumerate(plates[EACH:])
            ]
            publish(
                gate,
                [letter(each, kinds[1 + number // EACH]) for number, each in enumerate(others)],
            )
            listed = dlq(gate, "list", "--limit", "2000")
            assert Counter(each["error_type"] for each in listed) == dict.fromkeys(kinds, EACH)

            # What the registry has said is believed for a minute, or until a restart.
            gate.registry.register(f"{gate.site.topic}-value", text)
            assert engine.stop() == 0
        with gate.site.start() as engine:
            part = dlq(gate, "replay", "--type", "TIMEOUT", "--partition", "0")
            assert part["by_type"] == {"TIMEOUT": EACH}
            done = dlq(gate, "replay")
            assert (done["replayed"], done["replayed_before"]) == (len(plates) - EACH, EACH)
            gate.await_plates(plates, 120.0)
            assert dlq(gate, "replay")["replayed"] == 0
            gate.site.await_consumed()
            assert engine.stop() == 0
        assert gate.counts() == dict.fromkeys(plates, 1)
        back = [each for each in on_topic(gate) if len(headers(each)) > len(HEADERS)]
        assert sorted((each.key(), each.value()) for each in back) == [
            (plate.encode(), value) for plate, value in values.items()
        ]
        assert all(tuple(headers(each)[:-1]) == HEADERS for each in back)
