"""What poll and Avro decode alone reach, as the measure of all that does more."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Final

import confluent_kafka
from fastavro import parse_schema, schemaless_reader

from benchmarks.brokers import EVENTS
from benchmarks.readings import HEADER
from engine.settings import Settings
from engine.stream.options import consumer_options
from tests.support.avro import plate_schema

POLL_SECONDS: Final = 0.1
#: What the engine has reported to it and handles itself, a bare client leaves to librdkafka.
BARE_OPTIONS: Final = {"auto.offset.reset": "earliest", "enable.partition.eof": False}


class BareReader:
    """confluent_kafka and fastavro, and nothing else."""

    def __init__(self, settings: Settings) -> None:
        self._schema = parse_schema(json.loads(plate_schema().text))
        self._client = confluent_kafka.Consumer(consumer_options(settings) | BARE_OPTIONS)
        self._client.subscribe(list(settings.kafka_topics))
        self._batch_size = settings.batch_size
        self._first: list[confluent_kafka.Message] = []
        while not self._first:
            self._first = self._client.consume(settings.batch_size, POLL_SECONDS)

    def read(self) -> None:
        """All events, decoded."""
        count, messages = 0, self._first
        while count < EVENTS:
            for message in messages:
                value = message.value()
                assert value is not None
                schemaless_reader(BytesIO(value[len(HEADER) :]), self._schema)
            count += len(messages)
            messages = self._client.consume(self._batch_size, POLL_SECONDS)

    def close(self) -> None:
        """Leave the group."""
        self._client.close()
