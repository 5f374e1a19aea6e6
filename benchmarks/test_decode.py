"""Decoding one event: fastavro alone, the engine's decoder, and confluent's deserializer.

The engine's decoder checks every byte, widens 32-bit floats to their shortest decimal, reads the
event's instant and makes its identity, a BLAKE2b digest; fastavro alone does none of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC
from io import BytesIO
from itertools import cycle
from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from fastavro import parse_schema, schemaless_reader

from benchmarks.measure import Measurement
from benchmarks.readings import HEADER, Writers, encode, readings, record
from engine.demo.servers import RegistryServer
from engine.stream.decoder import Decoder
from tests.support.avro import plate_schema

GROUP = "decode, an event"
SECTION = "1 decode"
EVENTS = 1_000


def values() -> list[bytes]:
    return [encode(event) for event in readings(EVENTS)]


def over(items: list[Any], call: Callable[[Any], object]) -> Callable[[], object]:
    """A call on each of the items in turn, for ever."""
    turns = cycle(items)
    return lambda: call(next(turns))


def test_fastavro_alone(measure: Measurement) -> None:
    schema = parse_schema(json.loads(plate_schema().text))
    bodies = [value[len(HEADER) :] for value in values()]
    seconds = measure.calls(
        GROUP, over(bodies, lambda body: schemaless_reader(BytesIO(body), schema))
    )
    measure.tell(SECTION, "fastavro.schemaless_reader alone", seconds * 1e6, "µs an event")


def test_decoder(measure: Measurement) -> None:
    decoder = Decoder(plate_schema(), Writers(), UTC)
    records = [record(value) for value in values()]
    seconds = measure.calls(GROUP, over(records, decoder.decode))
    measure.tell(SECTION, "the engine's Decoder", seconds * 1e6, "µs an event")


def test_confluent_deserializer(measure: Measurement) -> None:
    text = plate_schema().text
    with RegistryServer() as server:
        schema_id = server.register("plates-value", text)
        header = b"\0" + schema_id.to_bytes(4, "big")
        encoded = [header + value[len(HEADER) :] for value in values()]
        client = SchemaRegistryClient({"url": server.url})
        deserialize: Any = AvroDeserializer(client)
        context = SerializationContext("plates", MessageField.VALUE)
        seconds = measure.calls(GROUP, over(encoded, lambda value: deserialize(value, context)))
    measure.tell(SECTION, "confluent's AvroDeserializer", seconds * 1e6, "µs an event")
