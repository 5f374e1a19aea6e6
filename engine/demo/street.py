"""Simulated cameras on the environment's Kafka: `python -m engine.demo.street`.

`EventPublisher` publishes events as a camera does: Avro by the registry, keyed by camera.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from engine.demo.cameras import Cameras, as_written, instants
from engine.errors import (
    AlertEngineError,
    BrokerUnavailableError,
    EventError,
    RegistryUnavailableError,
    SchemaError,
)
from engine.logs.setup import configure_logs
from engine.rules import examples_of, load_rules
from engine.schema import CAMERA_ID, load_event_schema
from engine.settings import Settings, misspelt_settings
from engine.stream.registry import NO_OPTIONS, Options, Redaction, explain, registry_client
from engine.stream.registry_call import DEADLINE_SECONDS, answer_within

log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 10.0
_WAIT_SECONDS: Final = 0.1

RETRY_SECONDS: Final = 5.0
FLUSH_EVERY_SECONDS: Final = 5.0


class EventPublisher:
    """Publishes events of one schema to one topic; a context manager that flushes at its end.

    The schema is registered with the first event. `kafka_options` go to librdkafka,
    `registry_options` to the registry's client.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        registry_url: str,
        schema_text: str,
        topic: str,
        *,
        kafka_options: Mapping[str, Any] | None = None,
        registry_options: Options = NO_OPTIONS,
    ) -> None:
        self._topic = topic
        self._context = SerializationContext(topic, MessageField.VALUE)
        self._client = registry_client(registry_url, registry_options)
        self._redact = Redaction(registry_url, registry_options)
        self._is_registered = False
        self._serialize = _serializer(self._client, schema_text)
        self._failures: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 5,
                "log.connection.close": False,
                **(kafka_options or {}),
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self.close()

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """The event in the Confluent wire format.

        Raises EventError if it does not fit the schema, and RegistryUnavailableError.
        """
        try:
            # The serializer asks the registry for the schema's id the first time only.
            encoded = (
                self._serialize(dict(event), self._context)
                if self._is_registered
                else answer_within(
                    DEADLINE_SECONDS, lambda: self._serialize(dict(event), self._context)
                )
            )
        except SchemaRegistryError as error:
            raise RegistryUnavailableError(self._redact(explain(error))) from None
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise EventError(f"the event does not fit the schema: {error}") from error
        # The client passes on errors of its HTTP library, whose texts may hold the address.
        except Exception as error:  # noqa: BLE001
            raise RegistryUnavailableError(self._redact(explain(error))) from None
        if encoded is None:
            raise EventError("there is no event")
        self._is_registered = True
        return bytes(encoded)

    def publish(self, event: Mapping[str, Any]) -> None:
        """Send an event in the background, keyed by its `camera_id`.

        Raises what `encode` raises, and BrokerUnavailableError where the client refuses the record.
        """
        value, key = self.encode(event), str(event.get(CAMERA_ID, "")).encode()
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._note_delivery)
            except BufferError:
                # The local queue is full: let some of it go out first.
                self._producer.poll(_WAIT_SECONDS)
            except KafkaException as error:
                raise BrokerUnavailableError(f"the record can't be sent: {error}") from error
            else:
                self._producer.poll(0)
                return

    def flush(self, timeout_seconds: float = FLUSH_SECONDS) -> None:
        """Wait until the broker has acknowledged all records, else raise BrokerUnavailableError."""
        waiting = self._producer.flush(timeout_seconds)
        failures, self._failures = self._failures, []
        if failures:
            raise BrokerUnavailableError(f"{len(failures)} records failed, first: {failures[0]}")
        if waiting:
            raise BrokerUnavailableError(f"{waiting} records are not acknowledged")

    def close(self) -> None:
        """Close all connections; records that are not acknowledged are dropped."""
        self._producer.purge()
        # An open producer goes on looking for its broker until it is collected, and logs that.
        self._producer.close()
        self._client.close()

    def _note_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failures.append(error.str())


class Street:
    """Publishes `rate` readings a second; touches `heartbeat` when the broker acknowledges them."""

    def __init__(self, settings: Settings, rate: float, heartbeat: Path | None) -> None:
        self._settings = settings
        self._rate = rate
        self._heartbeat = heartbeat
        self._schema = load_event_schema(settings.event_schema_path)
        # Without variables no channel is made: only the rules' own tests are needed.
        rule_set = load_rules([settings.rules_path], self._schema, None)
        self._cameras = Cameras(examples_of(rule_set.rules), random.Random())  # noqa: S311 - no secret

    def play(self) -> None:
        """Publish until the broker or the registry fails, and raise that error."""
        settings = self._settings
        with EventPublisher(
            settings.kafka_bootstrap_servers,
            settings.schema_registry_url.reveal(),
            self._schema.text,
            settings.kafka_topics[0],
            kafka_options=settings.kafka_options.reveal(),
            registry_options=settings.schema_registry_options.reveal(),
        ) as publisher:
            flush_due = time.monotonic()
            for event in self._cameras.events(instants()):
                publisher.publish(as_written(event, self._schema, settings.event_timezone))
                if time.monotonic() >= flush_due:
                    publisher.flush()
                    self._beat()
                    flush_due = time.monotonic() + FLUSH_EVERY_SECONDS
                time.sleep(1.0 / self._rate)

    def _beat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.touch()


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish until the process is ended; log a failure of broker or registry, and retry.

    Unusable settings, schemas and rules are reported, with exit status 2.
    """
    parser = argparse.ArgumentParser(prog="python -m engine.demo.street", description=__doc__)
    parser.add_argument("--rate", type=float, default=5.0, help="events a second (default 5)")
    parser.add_argument("--heartbeat", type=Path, help="a file to touch while all is well")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        street = Street(settings, options.rate, options.heartbeat)
    except AlertEngineError as error:
        sys.stderr.write(f"engine.demo.street: {error}\n")
        sys.exit(2)
    configure_logs(settings.log_level, settings.log_format)
    for each in misspelt_settings():
        log.warning("setting.misspelt", name=each.name, meant=each.meant, remedy="rename it")
    log.info("cameras.started", topic=settings.kafka_topics[0], rate=options.rate)
    while True:
        try:
            street.play()
        except (BrokerUnavailableError, RegistryUnavailableError) as error:
            log.warning("cameras.waiting", error=str(error))
            time.sleep(RETRY_SECONDS)


def _serializer(client: SchemaRegistryClient, schema_text: str) -> AvroSerializer:
    try:
        serializer: AvroSerializer = AvroSerializer(
            client, schema_text, conf={"auto.register.schemas": True}
        )
        return serializer
    except (ValueError, TypeError, LookupError) as error:
        raise SchemaError(f"the schema can't be used: {error}") from error


if __name__ == "__main__":
    main()
