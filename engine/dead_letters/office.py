"""Every dead letter is acknowledged by the broker or kept in the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from engine.clock import Clock
from engine.dead_letters.producer import (
    DeadLetter,
    DeadLetterProducer,
    DeadLetterRefused,
    DeadLetterType,
)
from engine.errors import StoreError
from engine.health import Heartbeat, Stage
from engine.logs.text import Repeats
from engine.metrics import Metrics
from engine.settings import Keep
from engine.store import KeptDeadLetter, StreamStore
from engine.stream.record import Record

log = structlog.get_logger(__name__)

REFUSAL_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 30.0
RETRY_WAIT_SECONDS: Final = 2.0
RETRY_LETTERS: Final = 100
# So often is tried again what the topic refuses while it takes others.
STUBBORN_SECONDS: Final = 600.0
# Once the bound is passed, letters are dropped down to this share of it: seldom, and some at once.
_SHARE_LEFT: Final = 0.9


class DeadLetterOffice:
    """Takes letters from the loop's thread; without a producer it tells and counts them only."""

    def __init__(
        self,
        producer: DeadLetterProducer | None,
        store: StreamStore,
        metrics: Metrics,
        clock: Clock,
        is_stopping: Callable[[], bool],
        keep_bytes: int = Keep().size_bytes,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """`keep_bytes` bounds the letters in the store; beyond it the oldest are dropped."""
        self._producer = producer
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._is_stopping = is_stopping
        self._keep_bytes = keep_bytes
        # An upper bound of what is kept; None before it was asked for.
        self._kept_bytes: int | None = None
        self._repeats = Repeats(clock.monotonic)
        # Letters up to this one were tried lately, and refused for what they are.
        self._tried_id = 0
        self._anew_at = clock.monotonic()
        self._beat = (heartbeat or Heartbeat()).beat
        # Why the topic began to take nothing; "" while it takes letters.
        self._refusal = ""
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
        self._repeats.flush()
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
        if self._clock.monotonic() >= self._anew_at:
            self._tried_id = 0
            self._anew_at = self._clock.monotonic() + STUBBORN_SECONDS
        kept = self._store.kept_dead_letters(RETRY_LETTERS, self._tried_id)
        letters = {_letter(each): each.letter_id for each in kept}
        try:
            producer.publish(tuple(letters), RETRY_WAIT_SECONDS, self._is_over)
            refused: Sequence[DeadLetter] = ()
            own: Sequence[DeadLetter] = ()
        except DeadLetterRefused as error:
            refused, own = error.letters, error.own
        self._store.drop_dead_letters(
            number for letter, number in letters.items() if letter not in refused
        )
        is_topic_open = len(refused) == len(own)
        if kept and is_topic_open:
            self._tried_id = kept[-1].letter_id
        if len(refused) < len(letters) or (kept and is_topic_open):
            # Some were taken, or others are worth a try: go on at once.
            self._retry_at = self._clock.monotonic()
        if self._refusal and is_topic_open:
            self._refusal = ""
            log.info("dead_letters.accepted_again")
        self._has_kept = bool(kept) or self._tried_id > 0

    def _refused(
        self, producer: DeadLetterProducer, letters: Sequence[DeadLetter]
    ) -> Sequence[DeadLetter]:
        if self._refusal:
            self._log_refused({self._refusal: len(letters)})
            return letters
        try:
            producer.publish(letters, REFUSAL_SECONDS, self._is_over)
        except DeadLetterRefused as error:
            if len(error.own) < len(error.letters):
                self._refusal = error.reason
                self._retry_at = self._clock.monotonic() + RETRY_SECONDS
            self._log_refused(error.reasons)
            return error.letters
        return ()

    def _log_refused(self, reasons: Mapping[str, int]) -> None:
        for reason, count in reasons.items():
            self._repeats.write(
                ("dead_letters.refused", reason), _log_refused, {"reason": reason}, count
            )

    def _is_over(self) -> bool:
        # Asked again and again while a topic that refuses is waited for: that is no hanging.
        self._beat(Stage.DEAD_LETTERS)
        return self._is_stopping()

    def _keep(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        kept = [_kept(letter) for letter in letters]
        if self._kept_bytes is None:
            self._kept_bytes = self._store.dead_letter_bytes()
        self._store.keep_dead_letters(kept)
        self._kept_bytes += sum(map(_size, kept))
        self._has_kept = True
        if self._kept_bytes > self._keep_bytes:
            self._bound()

    def _bound(self) -> None:
        """Drop the oldest letters if there are too many; a store in trouble is bounded later."""
        try:
            dropped = 0
            if self._store.dead_letter_bytes() > self._keep_bytes:
                dropped = self._store.drop_oldest_dead_letters(int(self._keep_bytes * _SHARE_LEFT))
            self._kept_bytes = self._store.dead_letter_bytes()
        except StoreError as error:
            log.debug("dead_letters.postponed", error=str(error))
            return
        if dropped:
            note_dropped(self._metrics, "size", dropped)

    def _tell(self, letter: DeadLetter) -> None:
        record = letter.record
        is_ours = letter.error_type is DeadLetterType.PROCESSING_FAILURE
        self._metrics.dead_letters.labels(str(letter.error_type)).inc()
        # A failure of ours may quote the event, plate and all: the letter has its text.
        error = letter.message.split(":", 1)[0] if is_ours else letter.message
        facts = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "error_type": str(letter.error_type),
            "error": error,
        }
        reason = ("record.dead", record.topic, letter.error_type, error)
        self._repeats.write(reason, _log_dead, facts, 1)


def note_dropped(metrics: Metrics, reason: str, count: int) -> None:
    """Count and log letters that the store gave up for their `size` or `age`; from any thread."""
    metrics.dead_letters_dropped.labels(reason).inc(count)
    log.error(
        "dead_letters.dropped",
        reason=reason,
        letters=count,
        remedy="see why their topic does not take them, or raise DLQ_KEEP",
    )


def _log_dead(*, count: int, **facts: object) -> None:
    log.warning("record.dead", count=count, **facts)


def _log_refused(*, count: int, reason: str) -> None:
    log.error(
        "dead_letters.refused",
        letters=count,
        reason=reason,
        remedy="they are kept in the store: create or permit the topic; raise its "
        "max.message.bytes where they are too large; correct a schema that they don't fit",
    )


def _size(letter: KeptDeadLetter) -> int:
    """As the store measures it, roughly."""
    texts = len(letter.message) + len(letter.stack_trace or "")
    headers = sum(len(name) + 2 * len(value or b"") + 12 for name, value in letter.headers)
    return len(letter.key or b"") + len(letter.value or b"") + texts + headers + 2


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
