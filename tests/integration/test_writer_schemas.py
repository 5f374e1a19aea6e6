"""Records as today's producers write them, from confluent's own serializer to the webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import (
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    header_schema_id_serializer,
)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from engine.stream.record import GUID_BYTES, SCHEMA_HEADER
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA

HEADER: Mapping[str, Any] = {"schema.id.serializer": header_schema_id_serializer}
Headers = list[tuple[str, str | bytes | None]]


class Camera:
    """A producer as Confluent's documentation has it."""

    def __init__(self, gate: Gate, schema: Schema | str, **conf: Any) -> None:
        self._topic = gate.site.topic
        self._client = SchemaRegistryClient({"url": gate.registry.url})
        self._serialize: Any = AvroSerializer(self._client, schema, conf=conf)
        self._producer = Producer({"bootstrap.servers": gate.site.broker.bootstrap_servers})

    def see(self, plate: str) -> tuple[bytes, Headers]:
        """Publish one sighting; the value and the headers of its record."""
        headers: Headers = []
        context = SerializationContext(self._topic, MessageField.VALUE, headers)
        value = self._serialize(sighting(plate, datetime.now(UTC)), context)
        self._producer.produce(self._topic, value, b"cam-1", headers=headers)
        assert self._producer.flush(PATIENCE_SECONDS) == 0
        return value, headers


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    """One webhook that is told of every plate."""
    with open_gate(broker, tmp_path) as opened:
        yield opened


def split_schema(gate: Gate) -> Schema:
    """The event's schema as a site keeps it that has its plate and its texts in other subjects."""
    client = SchemaRegistryClient({"url": gate.registry.url})
    raw = json.loads(EVENT_SCHEMA.read_text())
    named = {field["name"]: field for field in raw["fields"]}
    plate, vehicle = named["plate"]["type"], named["vehicle"]["type"]
    code = {"name": "code", "type": "string", "default": ""}
    paint_type = {"type": "record", "name": "Paint", "namespace": "com.paint", "fields": [code]}
    vehicle["fields"].append(
        {"name": "paint", "type": ["null", "com.paint.Paint"], "default": None}
    )
    named["plate"]["type"], named["vehicle"]["type"] = "Plate", "com.alpr.events.Vehicle"
    for each in (plate, vehicle):
        each["namespace"] = "com.alpr.events"
    client.register_schema("paint", Schema(json.dumps(paint_type), "AVRO"))
    client.register_schema("plate", Schema(json.dumps(plate), "AVRO"))
    paint = SchemaReference("com.paint.Paint", "paint", 1)
    client.register_schema("vehicle", Schema(json.dumps(vehicle), "AVRO", [paint]))
    references = [
        SchemaReference("com.alpr.events.Plate", "plate", 1),
        SchemaReference("com.alpr.events.Vehicle", "vehicle", 1),
    ]
    return Schema(json.dumps(raw), "AVRO", references)


@pytest.mark.slow
def test_a_schema_named_by_a_guid_in_a_header_is_understood(gate: Gate) -> None:
    camera = Camera(gate, EVENT_SCHEMA.read_text(), **HEADER)
    with gate.site.start() as engine:
        engine.wait_ready()
        value, headers = camera.see("GUID01")
        camera.see("GUID02")
        gate.await_plates(["GUID01", "GUID02"])
        assert engine.metric("alert_engine_events_consumed_total") == 2
        assert engine.stop() == 0
    ((name, mark),) = headers
    assert isinstance(mark, bytes)
    assert (name, len(mark), mark[0]) == (SCHEMA_HEADER, GUID_BYTES, 1)
    assert value[0] != 0
    asked = [each for each in gate.registry.requests if each.startswith("GET /schemas/guids/")]
    assert len(asked) == 1


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_guid_in_front_and_an_unknown_one_are_told_apart(gate: Gate) -> None:
    camera = Camera(gate, EVENT_SCHEMA.read_text(), **HEADER)
    value, ((_, mark),) = camera.see("GUID01")
    assert isinstance(mark, bytes)
    producer = Producer({"bootstrap.servers": gate.site.broker.bootstrap_servers})
    producer.produce(gate.site.topic, b"\1" + bytes(16) + value, b"cam-1")
    producer.produce(gate.site.topic, mark + value.replace(b"GUID01", b"GUID02"), b"cam-1")
    assert producer.flush(PATIENCE_SECONDS) == 0
    with gate.site.start() as engine:
        # A minute passes until the registry is believed.
        gate.await_plates(["GUID01", "GUID02"], 100.0)
        dead = "alert_engine_dead_letters_total"
        assert engine.wait_for_metric(dead, 1, error_type="SCHEMA_VALIDATION") == 1
        assert engine.stop() == 0
    assert gate.counts() == {"GUID01": 1, "GUID02": 1}


@pytest.mark.slow
@pytest.mark.parametrize("conf", [{}, HEADER], ids=["id", "guid"])
def test_a_schema_that_refers_to_others_is_understood(gate: Gate, conf: dict[str, Any]) -> None:
    camera = Camera(gate, split_schema(gate), **conf)
    with gate.site.start() as engine:
        camera.see("SPLIT1")
        gate.await_plates(["SPLIT1"])
        assert engine.stop() == 0
    event = gate.hook.requests.all()[0].json()["event"]
    assert event["plate"]["normalized_text"] == "SPLIT1"
    assert "paint" not in event["vehicle"]
