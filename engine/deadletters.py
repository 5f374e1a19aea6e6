"""The dead-letter office: every letter is acknowledged by the broker or kept in the store.

A topic that refuses costs the stream one wait; from then on letters go straight to the store, and
are sent on from there once the topic takes them again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from engine.clock import Clock
from engine.errors import StoreError
from engine.heartbeat import Heartbeat, Stage
from engine.metrics import Metrics
from engine.store import KeptDeadLetter, StreamStore
from engine.stream.deadletter import (
    DeadLetter,
    DeadLetterProducer,
    DeadLetterRefused,
    DeadLetterType,
)
from engine.stream.record import Record

log = structlog.get_logger(__name__)

REFUSAL_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 30.0
RETRY_WAIT_SECONDS: Final = 2.0
RETRY_LETTERS: Final = 100


class DeadLetterOffice:
    """Takes letters from the loop's thread; without a producer it tells and counts them only."""

    def __init__(
        self,
        producer: DeadLetterProducer | None,
        store: StreamStore,
        metrics: Metrics,
        clock: Clock,
        is_stopping: Callable[[], bool],
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._producer = producer
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._is_stopping = is_stopping
        self._beat = (heartbeat or Heartbeat()).beat
        self._is_refusing = False
        # Letters of an earlier run are sent on at the first retry.
        self._has_kept = producer is not None
        self._retry_at = clock.monotonic()
        self._to_tell: Sequence[DeadLetter] = ()
        self._to_keep: Sequence[DeadLetter] = ()

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is acknowledged or kept.

        Raises StoreUnavailableError; `finish` goes on then.
        """
        if not letters:
            return
        self._to_keep = self._refused(self._producer, letters) if self._producer else ()
        self._to_tell = letters
        self.finish()

    def finish(self) -> None:
        """Go on where `send` was interrupted, and send nothing again; StoreUnavailableError."""
        self._keep(self._to_keep)
        letters, self._to_keep, self._to_tell = self._to_tell, (), ()
        for letter in letters:
            self._tell(letter)

    def retry(self) -> None:
        """Send on what the store keeps, when it is time to try again."""
        if self._producer is None or not self._has_kept:
            return
        if self._clock.monotonic() < self._retry_at:
            return
        self._retry_at = self._clock.monotonic() + RETRY_SECONDS
        try:
            self._send_on(self._producer)
        except StoreError as error:
            log.debug("dead_letters.postponed", error=str(error))

    def _send_on(self, producer: DeadLetterProducer) -> None:
        kept = self._store.kept_dead_letters(RETRY_LETTERS)
        letters = {_letter(each): each.letter_id for each in kept}
        try:
            producer.publish(tuple(letters), RETRY_WAIT_SECONDS, self._is_over)
            refused: Sequence[DeadLetter] = ()
        except DeadLetterRefused as error:
            refused = error.letters
        self._store.drop_dead_letters(
            number for letter, number in letters.items() if letter not in refused
        )
        if len(refused) < len(letters):
            # Some were taken, so the rest is worth another try at once.
            self._retry_at = self._clock.monotonic()
        if self._is_refusing and not refused:
            self._is_refusing = False
            log.info("dead_letters.accepted_again")
        self._has_kept = bool(refused) or len(kept) == RETRY_LETTERS

    def _refused(
        self, producer: DeadLetterProducer, letters: Sequence[DeadLetter]
    ) -> Sequence[DeadLetter]:
        if self._is_refusing:
            return letters
        try:
            producer.publish(letters, REFUSAL_SECONDS, self._is_over)
        except DeadLetterRefused as error:
            self._is_refusing = True
            self._retry_at = self._clock.monotonic() + RETRY_SECONDS
            log.error("dead_letters.refused", letters=len(error.letters), reason=error.reason)
            return error.letters
        return ()

    def _is_over(self) -> bool:
        # Asked again and again while a topic that refuses is waited for: that is no hanging.
        self._beat(Stage.DEAD_LETTERS)
        return self._is_stopping()

    def _keep(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        self._store.keep_dead_letters([_kept(letter) for letter in letters])
        self._has_kept = True

    def _tell(self, letter: DeadLetter) -> None:
        record = letter.record
        is_ours = letter.error_type is DeadLetterType.PROCESSING_FAILURE
        self._metrics.dead_letters.labels(str(letter.error_type)).inc()
        log.warning(
            "record.dead",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error_type=str(letter.error_type),
            # A failure of ours may quote the event, plate and all: the letter has its text.
            error=letter.message.split(":", 1)[0] if is_ours else letter.message,
        )


def _kept(letter: DeadLetter) -> KeptDeadLetter:
    record = letter.record
    return KeptDeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        key=record.key,
        value=record.value,
        headers=record.headers,
        error_type=str(letter.error_type),
        message=letter.message,
        stack_trace=letter.stack_trace,
        retry_count=letter.retry_count,
    )


def _letter(kept: KeptDeadLetter) -> DeadLetter:
    record = Record(
        topic=kept.topic,
        partition=kept.partition,
        offset=kept.offset,
        timestamp_ms=kept.timestamp_ms,
        key=kept.key,
        value=kept.value,
        headers=kept.headers,
    )
    return DeadLetter(
        record,
        DeadLetterType(kept.error_type),
        kept.message,
        kept.stack_trace,
        kept.retry_count + 1,
    )
