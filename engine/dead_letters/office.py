"""Makes sure that every dead letter is acknowledged by the broker or kept in the store.

What the topic does not take is kept, and sent again later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from engine.clock import Clock
from engine.dead_letters.producer import DeadLetterProducer, DeadLetterRefused
from engine.errors import StoreError
from engine.health import Heartbeat, Stage
from engine.logs.text import Repeats
from engine.metrics import Metrics
from engine.settings import Keep
from engine.store import DeadLetters
from engine.stream.record import DeadLetter, DeadLetterType

log = structlog.get_logger(__name__)

#: How long new letters wait for the broker's acknowledgement, before they are kept.
REFUSAL_SECONDS: Final = 30.0
#: How often kept letters are sent again, how many at a time, and how long they wait then.
RETRY_SECONDS: Final = 30.0
RETRY_LETTERS: Final = 100
RETRY_WAIT_SECONDS: Final = 2.0
#: How often letters are sent again that are at fault themselves, such as too large ones.
STUBBORN_SECONDS: Final = 600.0
# When the kept letters are too many, they are dropped down to this share of the bound, so that
# there is some room and not every new letter drops one.
_SHARE_LEFT: Final = 0.9


class DeadLetterOffice:
    """Takes letters from the loop's thread; without a producer it only logs and counts them."""

    def __init__(
        self,
        producer: DeadLetterProducer | None,
        letters: DeadLetters,
        metrics: Metrics,
        clock: Clock,
        is_stopping: Callable[[], bool],
        keep_bytes: int = Keep().size_bytes,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """`keep_bytes` bounds the kept letters: beyond it the oldest are dropped.

        `is_stopping` ends waits for the broker early.
        """
        self._producer = producer
        self._letters = letters
        self._metrics = metrics
        self._clock = clock
        self._is_stopping = is_stopping
        self._keep_bytes = keep_bytes
        # An upper bound of the size of what is kept; None until the store was asked.
        self._kept_bytes: int | None = None
        self._repeats = Repeats(clock.monotonic)
        # Kept letters up to this id are at fault themselves; they are not tried again before
        # `_all_again_at`.
        self._tried_id = 0
        self._all_again_at = clock.monotonic()
        self._beat = (heartbeat or Heartbeat()).beat
        self._refusal = ""
        # True at first: the store may have letters of an earlier run.
        self._has_kept = producer is not None
        self._retry_at = clock.monotonic()
        self._to_report: Sequence[DeadLetter] = ()
        self._to_keep: Sequence[DeadLetter] = ()

    @property
    def refusal(self) -> str:
        """Why the topic takes no letters; "" while it takes them. Any thread may ask."""
        return self._refusal

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is acknowledged or kept, and logged and counted.

        Raises StoreUnavailableError where letters can't be kept; call `finish` then.
        """
        if not letters:
            return
        self._to_keep = self._refused(self._producer, letters) if self._producer else ()
        self._to_report = letters
        self.finish()

    def finish(self) -> None:
        """Go on where `send` failed, without sending again; StoreUnavailableError as well."""
        self._keep(self._to_keep)
        letters, self._to_keep, self._to_report = self._to_report, (), ()
        for letter in letters:
            self._report(letter)

    def retry(self) -> None:
        """Send kept letters again, if it is time to; a store that fails is tried again later."""
        self._repeats.flush()
        if self._producer is None or not self._has_kept:
            return
        if self._clock.monotonic() < self._retry_at:
            return
        self._retry_at = self._clock.monotonic() + RETRY_SECONDS
        try:
            self._send_kept(self._producer)
        except StoreError as error:
            log.debug("dead_letters.postponed", error=str(error))

    def _send_kept(self, producer: DeadLetterProducer) -> None:
        if self._clock.monotonic() >= self._all_again_at:
            self._tried_id = 0
            self._all_again_at = self._clock.monotonic() + STUBBORN_SECONDS
        kept = self._letters.kept(RETRY_LETTERS, self._tried_id)
        letters = {
            letter_id: replace(letter, retry_count=letter.retry_count + 1)
            for letter_id, letter in kept.items()
        }
        try:
            producer.publish(tuple(letters.values()), RETRY_WAIT_SECONDS, self._is_over)
            refused: Sequence[DeadLetter] = ()
            own: Sequence[DeadLetter] = ()
        except DeadLetterRefused as error:
            refused, own = error.letters, error.own
        self._letters.drop(
            letter_id for letter_id, letter in letters.items() if letter not in refused
        )
        is_topic_open = len(refused) == len(own)
        if kept and is_topic_open:
            self._tried_id = max(kept)
        if len(refused) < len(letters) or (kept and is_topic_open):
            # Some were taken, or those behind may be: go on at once.
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
        # The producer calls this again and again while it waits: the loop does not hang.
        self._beat(Stage.DEAD_LETTERS)
        return self._is_stopping()

    def _keep(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        if self._kept_bytes is None:
            self._kept_bytes = self._letters.size_bytes()
        self._letters.keep(letters)
        self._kept_bytes += sum(map(_size, letters))
        self._has_kept = True
        if self._kept_bytes > self._keep_bytes:
            self._bound()

    def _bound(self) -> None:
        """Drop the oldest letters if there are too many; a store that fails is asked later."""
        try:
            dropped = 0
            if self._letters.size_bytes() > self._keep_bytes:
                dropped = self._letters.drop_oldest(int(self._keep_bytes * _SHARE_LEFT))
            self._kept_bytes = self._letters.size_bytes()
        except StoreError as error:
            log.debug("dead_letters.postponed", error=str(error))
            return
        if dropped:
            note_dropped(self._metrics, "size", dropped)

    def _report(self, letter: DeadLetter) -> None:
        record = letter.record
        is_ours = letter.error_type is DeadLetterType.PROCESSING_FAILURE
        self._metrics.dead_letters.labels(str(letter.error_type)).inc()
        # An error of the engine may quote the event with its plate: only the letter has the text.
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
    """Count and log dropped letters; `reason` is `size` or `age`. Any thread may call it."""
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


def _size(letter: DeadLetter) -> int:
    """The letter's size in bytes, roughly as the store measures it."""
    record = letter.record
    texts = len(letter.message) + len(letter.stack_trace or "")
    headers = sum(len(name) + 2 * len(value or b"") + 12 for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + texts + headers + 2
