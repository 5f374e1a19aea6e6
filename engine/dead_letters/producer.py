"""Publishes dead letters to their topic, and reads a record back from its letter.

It says which letters the broker did not acknowledge.
"""

from __future__ import annotations

import base64
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import Any, Final, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.error import SchemaRegistryError

from engine.errors import AlertEngineError, RegistryUnavailableError, SchemaError
from engine.schema import RecordWriter
from engine.settings import Settings
from engine.stream.options import check_producer_options, producer_options, redact
from engine.stream.record import DeadLetter, Record, framed
from engine.stream.registry import (
    ANEW_SECONDS,
    MAX_SCHEMA_ID,
    Redaction,
    explain,
    registry_client,
)
from engine.stream.registry_call import DEADLINE_SECONDS, NO_WHOLE_ANSWER, RegistryCall

_Key = TypeVar("_Key")

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS: Final = 30.0
_WAIT_SECONDS: Final = 0.1
# How long the registry is asked again for an id that is known.
_RENEW_SECONDS: Final = 1.0
# With these the broker refuses one letter, and takes others.
_LETTER_ERRORS: Final = (
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_MSG,
    KafkaError.POLICY_VIOLATION,
)
# After these answers of the registry it is not asked again; after others it may recover soon.
_FINAL_STATUS: Final = (401, 403, 404, 409, 422)
# How the metadata of a letter name the headers of its record.
_HEADER: Final = "header."
_NULL_HEADER: Final = "null_header."
# Of the ids of letters: another one would give the same record another id.
_NAMESPACE: Final = uuid.UUID("6f1d9a0e-52d1-5f43-9d8b-6c2f0f6e7a11")


class DeadLetterRefused(AlertEngineError):  # noqa: N818 - it is expected, and handled
    """The dead-letter topic did not take these letters; the broker acknowledged all others.

    A letter may have arrived all the same, if only its acknowledgement was lost. `own` are the
    letters that are at fault themselves: too large, or not fitting the schema. `reason` is why the
    topic does not take the rest, if any; `reasons` has the number of letters for each reason.
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
    """Publishes to the dead-letter topic of `settings`; it connects at first use.

    `timer` gives monotonic seconds. All methods are called from one thread. Raises SchemaError when
    the schema of dead letters can't be used, SettingsError for options that librdkafka or the
    registry's client does not take.
    """

    def __init__(self, settings: Settings, *, timer: Callable[[], float] = time.monotonic) -> None:
        check_producer_options(settings)
        self._settings = settings
        self._timer = timer
        url = settings.schema_registry_url.reveal()
        options = settings.schema_registry_options.reveal()
        self._redact = Redaction(url, options)
        self._registry = registry_client(url, options)
        # None until the registry has given it.
        self._schema_id: int | None = None
        self._renew_at = math.inf
        path = settings.dlq_schema_path
        try:
            text = path.read_text(encoding="utf-8")
            self._writer = RecordWriter(text)
        except (OSError, ValueError, SchemaError) as error:
            raise SchemaError(f"{path}: {error}") from error
        self._schema = Schema(text, "AVRO")
        self._producer: Producer | None = None
        self._trouble = ""

    def publish(
        self,
        letters: Sequence[DeadLetter],
        timeout_seconds: float = TIMEOUT_SECONDS,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Publish the letters, and return when the broker has acknowledged every one.

        Raises DeadLetterRefused with those that it has not acknowledged within `timeout_seconds`,
        or when `is_over` turns true. Five seconds of them may be spent waiting for a registry. A
        letter that does not fit the schema does not hold up the others.
        """
        if not letters:
            return
        deadline = self._timer() + timeout_seconds

        def is_late() -> bool:
            return self._timer() >= deadline or is_over()

        self._trouble = ""
        values, misfits = self._values(letters, self._id(letters, is_late))
        answers: dict[int, KafkaError | None] = {}
        producer = self._opened()
        for number, value in values.items():
            self._produce(producer, number, letters[number], value, answers, is_late)
        while len(answers) < len(values) and not is_late():
            producer.poll(_WAIT_SECONDS)
        if len(values) > 1:
            # The broker's limit is on a batch: a large letter makes it refuse small ones too. Those
            # that were refused are sent again, one by one.
            for number in [each for each, error in answers.items() if _is_too_large(error)]:
                del answers[number]
                self._produce(producer, number, letters[number], values[number], answers, is_late)
                while number not in answers and not is_late():
                    producer.poll(_WAIT_SECONDS)
        if len(answers) < len(values):
            self._discard()
        self._check(letters, answers, misfits)

    def _check(
        self,
        letters: Sequence[DeadLetter],
        answers: Mapping[int, KafkaError | None],
        misfits: Mapping[int, str],
    ) -> None:
        """DeadLetterRefused unless every letter was acknowledged."""
        silence = self._trouble or "no acknowledgement"
        refused, own = [], []
        reasons: Counter[str] = Counter()
        topic_reason = ""
        for number, letter in enumerate(letters):
            error = answers.get(number)
            if number in answers and error is None:
                continue
            refused.append(letter)
            text = misfits.get(number) or (error.str() if error else silence)
            reason = redact(text, self._settings)
            reasons[reason] += 1
            if number in misfits or (error is not None and error.code() in _LETTER_ERRORS):
                own.append(letter)
            else:
                topic_reason = topic_reason or reason
        if refused:
            reason = topic_reason or next(iter(reasons))
            raise DeadLetterRefused(refused, reason, own, reasons)

    def close(self) -> None:
        """Drop the connections."""
        self._discard()
        self._registry.close()

    def _values(
        self, letters: Sequence[DeadLetter], schema_id: int
    ) -> tuple[dict[int, bytes], dict[int, str]]:
        """Returns the values to send, and why some letters have none, both by letter number."""
        group_id, now = self._settings.kafka_group_id, datetime.now(UTC)
        values: dict[int, bytes] = {}
        misfits: dict[int, str] = {}
        for number, letter in enumerate(letters):
            try:
                body = self._writer.write(to_message(letter, group_id, now))
                values[number] = framed(schema_id, body)
            except SchemaError as error:
                misfits[number] = f"{self._settings.dlq_schema_path.name}: {error}"
        return values, misfits

    def _id(self, letters: Sequence[DeadLetter], is_late: Callable[[], bool]) -> int:
        """The id of the schema, which the registry is asked for once in `ANEW_SECONDS`.

        It may have given a wrong one, or another since. While it is away, the id that is known
        holds. DeadLetterRefused for all `letters` while none is known.
        """
        if self._schema_id is None:
            self._schema_id = self._ask_for_id(letters, is_late)
            self._renew_at = self._timer() + ANEW_SECONDS
        elif self._timer() >= self._renew_at:
            self._renew_at = self._timer() + ANEW_SECONDS
            self._schema_id = self._renewed_id(self._schema_id, is_late)
        return self._schema_id

    def _renewed_id(self, known: int, is_late: Callable[[], bool]) -> int:
        self._registry.clear_caches()  # type: ignore[no-untyped-call]
        call = self._register()
        if not self._await(call, self._timer() + _RENEW_SECONDS, is_late):
            return known
        try:
            return _checked_id(call.result())
        # Whatever the error is, the known id remains good: the registry gave it.
        except Exception as error:  # noqa: BLE001
            log.debug("dead_letters.id_not_renewed", error=self._redact(explain(error)))
            return known

    def _register(self) -> RegistryCall[int]:
        subject = f"{self._settings.dlq_topic}-value"
        return RegistryCall(lambda: self._registry.register_schema(subject, self._schema))

    def _await(self, call: RegistryCall[Any], deadline: float, is_late: Callable[[], bool]) -> bool:
        """Whether the call is over in time; ends it if not. Serves the producer meanwhile."""
        while not call.wait(_WAIT_SECONDS):
            if self._timer() >= deadline or is_late():
                call.end()
                return False
            self._opened().poll(0)
        return True

    def _ask_for_id(self, letters: Sequence[DeadLetter], is_late: Callable[[], bool]) -> int:
        """Returns the id of the schema; asks the registry until it gives one.

        Raises DeadLetterRefused for all `letters` if it refuses, or gives none in five seconds.
        """
        deadline = self._timer() + DEADLINE_SECONDS
        reason = ""
        while True:
            call = self._register()
            if not self._await(call, deadline, is_late):
                raise DeadLetterRefused(letters, reason or NO_WHOLE_ANSWER)
            is_final = False
            try:
                return _checked_id(call.result())
            except SchemaRegistryError as error:
                is_final = error.http_status_code in _FINAL_STATUS
                reason = self._redact(explain(error))
            # The client lets its HTTP library's errors through.
            except Exception as error:  # noqa: BLE001
                reason = self._redact(explain(error))
                # The client would cache an answer without an id for ever.
                self._registry.clear_caches()  # type: ignore[no-untyped-call]
            if is_final or self._timer() >= deadline or is_late():
                raise DeadLetterRefused(letters, reason)
            self._opened().poll(_WAIT_SECONDS)

    def _produce(
        self,
        producer: Producer,
        number: int,
        letter: DeadLetter,
        value: bytes,
        answers: dict[int, KafkaError | None],
        is_late: Callable[[], bool],
    ) -> None:
        topic, key = self._settings.dlq_topic, letter.record.key
        answered = partial(note_answer, answers, number)
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
        # Letters in flight will be sent again, so they are purged. A producer is not used again
        # after a purge or a fatal error.
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()

    def _on_error(self, error: KafkaError) -> None:
        self._trouble = error.str()


def to_message(letter: DeadLetter, group_id: str, now: datetime) -> dict[str, Any]:
    """Returns the letter as a `com.alpr.dlq.DLQMessage`, of the time `now`.

    The same record always gets the same `dlq_id`, so that a letter that was sent twice is known.
    """
    record = letter.record
    return {
        "dlq_id": letter_id(record, group_id),
        "timestamp": now.isoformat(),
        "original_topic": record.topic,
        "original_partition": record.partition,
        "original_offset": record.offset,
        "original_key": None if record.key is None else record.key.decode("utf-8", "replace"),
        "original_message": _base64(record.value or b""),
        "consumer_group_id": group_id,
        "error_type": str(letter.error_type),
        "error_message": _writable(letter.message),
        "error_stack_trace": letter.stack_trace and _writable(letter.stack_trace),
        "retry_count": letter.retry_count,
        "metadata": _metadata(record),
    }


def recover(message: Mapping[str, Any]) -> Record:
    """Returns the original record of a decoded `com.alpr.dlq.DLQMessage` that `to_message` made."""
    metadata: Mapping[str, str] = message["metadata"]
    has_value = metadata.get("value") != "null"
    return Record(
        topic=message["original_topic"],
        partition=message["original_partition"],
        offset=message["original_offset"],
        timestamp_ms=int(metadata["timestamp_ms"]),
        key=base64.b64decode(metadata["key"]) if "key" in metadata else None,
        value=base64.b64decode(message["original_message"]) if has_value else None,
        headers=_headers(metadata),
    )


def _checked_id(answer: object) -> int:
    """Returns the answer if it is a schema id; otherwise RegistryUnavailableError."""
    if isinstance(answer, int) and 0 <= answer <= MAX_SCHEMA_ID:
        return answer
    raise RegistryUnavailableError("the schema registry gave no id of the dead letters' schema")


def _is_too_large(error: KafkaError | None) -> bool:
    return error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE


def note_answer(
    answers: dict[_Key, KafkaError | None], key: _Key, error: KafkaError | None, message: Message
) -> None:
    """Notes how the broker has answered for a message, as a callback of the client."""
    answers[key] = error


def _metadata(record: Record) -> dict[str, str]:
    metadata = {"encoding": "base64", "timestamp_ms": str(record.timestamp_ms)}
    if record.key is not None:
        metadata["key"] = _base64(record.key)
    if record.value is None:
        metadata["value"] = "null"
    for number, (name, value) in enumerate(record.headers):
        # Names may repeat and may hold any character: the number makes keys unique and ordered.
        if value is None:
            metadata[f"{_NULL_HEADER}{number}.{name}"] = ""
        else:
            metadata[f"{_HEADER}{number}.{name}"] = _base64(value)
    return metadata


def _headers(metadata: Mapping[str, str]) -> tuple[tuple[str, bytes | None], ...]:
    found: dict[int, tuple[str, bytes | None]] = {}
    for key, text in metadata.items():
        kind, _, rest = key.partition(".")
        number, _, name = rest.partition(".")
        if f"{kind}." == _HEADER:
            found[int(number)] = (name, base64.b64decode(text))
        elif f"{kind}." == _NULL_HEADER:
            found[int(number)] = (name, None)
    return tuple(found[number] for number in sorted(found))


def letter_id(record: Record, group_id: str) -> str:
    """The id of the letter that the group's engine writes of a record: always the same."""
    digest = blake2b(record.value or b"", digest_size=16).hexdigest()
    place = (group_id, record.topic, record.partition, record.offset, record.timestamp_ms, digest)
    return str(uuid.uuid5(_NAMESPACE, repr(place)))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _writable(text: str) -> str:
    # An error may quote half a surrogate pair, which UTF-8 can't encode.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
