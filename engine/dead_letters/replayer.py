"""Puts records of dead letters back on their topics, as they were."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Self

from confluent_kafka import KafkaError, KafkaException, Producer

from engine.dead_letters.letter_reader import DatedLetter
from engine.dead_letters.producer import note_answer
from engine.settings import Settings
from engine.stream.options import check_producer_options, producer_options, redact

#: The header that says which letter a record comes from, by its `dlq_id`.
REPLAYED_HEADER: Final = "alert-engine-replayed"
#: How long the broker may take to acknowledge.
TIMEOUT_SECONDS: Final = 30.0
_WAIT_SECONDS: Final = 0.1
#: The partition is not there any more: the key decides.
_GONE: Final = (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART)


class Replayer:
    """Sends records back to the broker of the settings; a context manager that disconnects.

    SettingsError for options that librdkafka does not take.
    """

    def __init__(self, settings: Settings, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        check_producer_options(settings)
        self._settings = settings
        self._timeout_seconds = timeout_seconds
        self._trouble = ""
        self._producer = Producer(producer_options(settings) | {"error_cb": self._on_error})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        # What the broker has not acknowledged counts as not sent.
        self._producer.purge()

    def send(self, letters: Sequence[DatedLetter]) -> dict[str, str]:
        """Send the records of these letters; why some are not back, by the letter's id.

        Each goes to its topic and partition with its value, key, timestamp and headers, and with
        `REPLAYED_HEADER`. A partition that is gone is replaced by that of the key. It returns when
        the broker has answered for all, or has not for too long.
        """
        answers: dict[str, KafkaError | None] = {}
        deadline = time.monotonic() + self._timeout_seconds
        self._trouble = ""
        for each in letters:
            self._produce(each, answers, deadline)
        by_id = {each.letter_id: each for each in letters}
        self._await(len(by_id), answers, deadline)
        gone = [key for key, error in answers.items() if error and error.code() in _GONE]
        for key in gone:
            del answers[key]
            self._produce(_anywhere(by_id[key]), answers, deadline)
        self._await(len(by_id), answers, deadline)
        failed: dict[str, str] = {}
        for key in by_id:
            error = answers.get(key)
            if error is not None:
                failed[key] = redact(error.str(), self._settings)
            elif key not in answers:
                silence = self._trouble or "the broker did not answer"
                failed[key] = redact(silence, self._settings)
        return failed

    def _produce(
        self, dated: DatedLetter, answers: dict[str, KafkaError | None], deadline: float
    ) -> None:
        record = dated.letter.record
        headers: list[tuple[str, str | bytes | None]] = [
            each for each in record.headers if each[0] != REPLAYED_HEADER
        ]
        headers.append((REPLAYED_HEADER, dated.letter_id.encode()))
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    partition=record.partition,
                    timestamp=max(0, record.timestamp_ms),
                    headers=headers,
                    on_delivery=partial(note_answer, answers, dated.letter_id),
                )
                return
            except BufferError:
                if time.monotonic() >= deadline:
                    return
                self._producer.poll(_WAIT_SECONDS)
            except KafkaException as error:
                answers[dated.letter_id] = error.args[0]
                return

    def _await(self, count: int, answers: dict[str, KafkaError | None], deadline: float) -> None:
        while len(answers) < count and time.monotonic() < deadline:
            self._producer.poll(_WAIT_SECONDS)

    def _on_error(self, error: KafkaError) -> None:
        self._trouble = error.str()


def _anywhere(dated: DatedLetter) -> DatedLetter:
    """The same letter, of a record that may go to any partition."""
    record = replace(dated.letter.record, partition=-1)
    return replace(dated, letter=replace(dated.letter, record=record))
