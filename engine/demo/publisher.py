"""Publishes plate events as a camera does: Avro by the registry, keyed by camera."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from engine.errors import (
    BrokerUnavailableError,
    EventError,
    RegistryUnavailableError,
    SchemaError,
)
from engine.schema import CAMERA_ID
from engine.stream.registry import NO_OPTIONS, Options, Redaction, explain, registry_client
from engine.stream.registry_call import DEADLINE_SECONDS, answer_within

FLUSH_SECONDS: Final = 10.0
_WAIT_SECONDS: Final = 0.1


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


def _serializer(client: SchemaRegistryClient, schema_text: str) -> AvroSerializer:
    try:
        serializer: AvroSerializer = AvroSerializer(
            client, schema_text, conf={"auto.register.schemas": True}
        )
        return serializer
    except (ValueError, TypeError, LookupError) as error:
        raise SchemaError(f"the schema can't be used: {error}") from error
