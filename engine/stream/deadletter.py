"""Sends dead letters to their topic, acknowledged one and all, or hands them back."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from engine.errors import AlertEngineError, SchemaError
from engine.settings import Settings
from engine.stream.letter import DeadLetter, DeadLetterType, recover, to_message
from engine.stream.options import check_producer_options, producer_options, redact
from engine.stream.registry import ANEW_SECONDS, Redaction, explain, registry_client
from engine.stream.registry_call import DEADLINE_SECONDS, NO_WHOLE_ANSWER, RegistryCall

__all__ = [
    "DeadLetter",
    "DeadLetterProducer",
    "DeadLetterRefused",
    "DeadLetterType",
    "recover",
    "to_message",
]

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS: Final = 30.0
_WAIT_SECONDS: Final = 0.1
# So long a registry is asked again for an id that is known.
_RENEW_SECONDS: Final = 1.0
# The broker refuses this letter, and takes others.
_OF_THE_LETTER: Final = (
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_MSG,
    KafkaError.POLICY_VIOLATION,
)
# A registry that answers so has made up its mind; the others may come back while we wait.
_FINAL_STATUS: Final = (401, 403, 404, 409, 422)


class DeadLetterRefused(AlertEngineError):  # noqa: N818 - what happened, not a fault of ours
    """The dead-letter topic did not take these letters; the broker acknowledged all others.

    A letter may have arrived all the same, when its acknowledgement was lost. `own` are those that
    are refused for what they are, such as too large ones; the topic takes others. `reasons` counts
    the letters of each reason.
    """

    code = "dead-letter-refused"

    def __init__(
        self,
        letters: Sequence[DeadLetter],
        reason: str,
        own: Sequence[DeadLetter] = (),
        reasons: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(f"the dead-letter topic did not take {len(letters)} letters: {reason}")
        self.letters = tuple(letters)
        self.reason = reason
        self.own = tuple(own)
        self.reasons = reasons or {reason: len(letters)}


class DeadLetterProducer:
    """Publishes to the dead-letter topic of `settings`, in its thread; connects at first use.

    Raises SchemaError when the schema of dead letters can't be used, SettingsError for options that
    librdkafka or the registry's client does not take.
    """

    def __init__(self, settings: Settings, *, timer: Callable[[], float] = time.monotonic) -> None:
        check_producer_options(settings)
        self._settings = settings
        self._timer = timer
        url = settings.schema_registry_url.reveal()
        options = settings.schema_registry_options.reveal()
        self._redact = Redaction(url, options)
        self._registry = registry_client(url, options)
        self._context = SerializationContext(settings.dlq_topic, MessageField.VALUE)
        path = settings.dlq_schema_path
        try:
            # Else the registry is asked for names of subjects that it may not know of.
            conf = {"subject.name.strategy.type": "TOPIC"}
            text = path.read_text(encoding="utf-8")
            self._make_serializer = partial(AvroSerializer, self._registry, text, conf=conf)
            self._serialize = self._make_serializer()
            # It remembers the schema's id for ever, so it is made anew then.
            self._renew_at = math.inf
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise SchemaError(f"{path}: {error}") from error
        self._producer: Producer | None = None
        self._trouble = ""

    def publish(
        self,
        letters: Sequence[DeadLetter],
        timeout_seconds: float = TIMEOUT_SECONDS,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Return when the broker has acknowledged every letter.

        Raises DeadLetterRefused with those that it has not, after `timeout_seconds` at most, and
        soon after `is_over` turns true; a registry that is away is waited for five seconds of them.
        The registry is asked for the schema's id once in `ANEW_SECONDS`: it may have given a wrong
        one, or another since. While it is away, the id that is known holds.
        """
        if not letters:
            return
        deadline = self._timer() + timeout_seconds

        def is_late() -> bool:
            return self._timer() >= deadline or is_over()

        self._trouble = ""
        values = self._values(letters, is_late)
        answers: dict[int, KafkaError | None] = {}
        producer = self._opened()
        for number, (letter, value) in enumerate(zip(letters, values, strict=True)):
            self._produce(producer, number, letter, value, answers, is_late)
        while len(answers) < len(letters) and not is_late():
            producer.poll(_WAIT_SECONDS)
        if len(letters) > 1:
            # The limit is on what travels together: a large letter takes small ones with it.
            for number in [each for each, error in answers.items() if _is_too_large(error)]:
                del answers[number]
                self._produce(producer, number, letters[number], values[number], answers, is_late)
                while number not in answers and not is_late():
                    producer.poll(_WAIT_SECONDS)
        if len(answers) < len(letters):
            self._discard()
        self._check(letters, answers)

    def _check(
        self, letters: Sequence[DeadLetter], answers: Mapping[int, KafkaError | None]
    ) -> None:
        """DeadLetterRefused unless every letter was acknowledged."""
        silence = self._trouble or "no acknowledgement"
        refused, own = [], []
        reasons: Counter[str] = Counter()
        for number, letter in enumerate(letters):
            error = answers.get(number)
            if number in answers and error is None:
                continue
            refused.append(letter)
            reasons[redact(error.str() if error else silence, self._settings)] += 1
            if error is not None and error.code() in _OF_THE_LETTER:
                own.append(letter)
        if refused:
            answered = next((each.str() for each in answers.values() if each), silence)
            raise DeadLetterRefused(refused, redact(answered, self._settings), own, reasons)

    def close(self) -> None:
        """Drop the connections."""
        self._discard()
        self._registry.close()

    def _values(
        self, letters: Sequence[DeadLetter], is_late: Callable[[], bool]
    ) -> list[bytes | None]:
        group_id, now = self._settings.kafka_group_id, datetime.now(UTC)
        messages = [to_message(letter, group_id, now) for letter in letters]
        if self._timer() >= self._renew_at:
            self._renew_id(messages[0], is_late)
        deadline = self._timer() + DEADLINE_SECONDS
        reason = ""
        while True:
            # The serializer asks the registry for the schema's id the first time.
            call = RegistryCall(
                lambda: [self._serialize(message, self._context) for message in messages]
            )
            if not self._await(call, deadline, is_late):
                raise DeadLetterRefused(letters, reason or NO_WHOLE_ANSWER)
            try:
                values = call.result()
                self._renew_at = min(self._renew_at, self._timer() + ANEW_SECONDS)
                return values
            except SchemaRegistryError as error:
                is_final = error.http_status_code in _FINAL_STATUS
                reason = self._redact(explain(error))
            # The client lets its HTTP library's errors through; their texts may hold the address.
            except Exception as error:  # noqa: BLE001
                is_final = False
                reason = self._redact(explain(error))
                # An answer without an id would be kept for ever, by both.
                self._registry.clear_caches()  # type: ignore[no-untyped-call]
                self._serialize = self._make_serializer()
            if is_final or self._timer() >= deadline or is_late():
                raise DeadLetterRefused(letters, reason)
            self._opened().poll(_WAIT_SECONDS)

    def _renew_id(self, message: Mapping[str, object], is_late: Callable[[], bool]) -> None:
        """Ask the registry for the schema's id again; what it does not answer changes nothing."""
        self._renew_at = self._timer() + ANEW_SECONDS
        self._registry.clear_caches()  # type: ignore[no-untyped-call]
        fresh = self._make_serializer()
        call = RegistryCall(lambda: fresh(message, self._context))
        if not self._await(call, self._timer() + _RENEW_SECONDS, is_late):
            return
        try:
            call.result()
        # Whatever it is: the id that is known was the registry's own.
        except Exception as error:  # noqa: BLE001
            log.debug("dead_letters.id_not_renewed", error=self._redact(explain(error)))
        else:
            self._serialize = fresh

    def _await(self, call: RegistryCall[Any], deadline: float, is_late: Callable[[], bool]) -> bool:
        """Whether the call is over in time; else it is ended. The producer is served meanwhile."""
        while not call.wait(_WAIT_SECONDS):
            if self._timer() >= deadline or is_late():
                call.end()
                return False
            self._opened().poll(0)
        return True

    def _produce(
        self,
        producer: Producer,
        number: int,
        letter: DeadLetter,
        value: bytes | None,
        answers: dict[int, KafkaError | None],
        is_late: Callable[[], bool],
    ) -> None:
        topic, key = self._settings.dlq_topic, letter.record.key
        answered = partial(_note, answers, number)
        while True:
            try:
                producer.produce(topic, value, key, on_delivery=answered)
                return
            except BufferError:
                if is_late():
                    return
                producer.poll(_WAIT_SECONDS)
            except KafkaException as error:
                answers[number] = error.args[0]
                return

    def _opened(self) -> Producer:
        if self._producer is None:
            options = producer_options(self._settings) | {"error_cb": self._on_error}
            self._producer = Producer(options)
        return self._producer

    def _discard(self) -> None:
        # What is still under way must not arrive beside its second sending; a producer of which
        # something was purged, or that met a fatal error, is not used again.
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()

    def _on_error(self, error: KafkaError) -> None:
        self._trouble = error.str()


def _is_too_large(error: KafkaError | None) -> bool:
    return error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE


def _note(
    answers: dict[int, KafkaError | None], number: int, error: KafkaError | None, message: Message
) -> None:
    answers[number] = error
