"""Reads dead letters back: from the records of their topic, and from the store that keeps some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from engine.dead_letters.producer import letter_id, recover
from engine.errors import DecodeError, SchemaError
from engine.schema import EventSchema
from engine.schema.event import read_time, record_instant
from engine.store import DeadLetters
from engine.stream.history import Stretch
from engine.stream.record import MARK_BYTES, DeadLetter, DeadLetterType, Record

#: How many kept letters are read at once: each may be a megabyte.
_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class DatedLetter:
    """A letter with its id, the `dlq_id` of its message, and the time at which it was written.

    `is_kept` says that it is in the store, since its topic has not taken it yet.
    """

    letter_id: str
    written_at: datetime
    letter: DeadLetter = field(repr=False)
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; what is None or empty does not matter.

    `beginnings` are those of ids. `since` and `until` are about the time at which the letter was
    written, `topic` and `partition` about the record.
    """

    error_type: DeadLetterType | None = None
    since: datetime | None = None
    until: datetime | None = None
    topic: str | None = None
    partition: int | None = None
    beginnings: tuple[str, ...] = ()

    def takes(self, dated: DatedLetter) -> bool:
        """Whether the letter is one of those."""
        letter, record = dated.letter, dated.letter.record
        return (
            self.error_type in (None, letter.error_type)
            and (self.since is None or dated.written_at >= self.since)
            and (self.until is None or dated.written_at < self.until)
            and self.topic in (None, record.topic)
            and self.partition in (None, record.partition)
            and (not self.beginnings or dated.letter_id.startswith(self.beginnings))
        )


class LetterReader:
    """Reads letters that were written with the schema of this file; it asks no registry.

    SchemaError where the schema can't be used.
    """

    def __init__(self, schema_path: Path) -> None:
        try:
            text = schema_path.read_text(encoding="utf-8")
            self._read: Final = EventSchema.parse(text).reader(text)
        except (OSError, ValueError, SchemaError, DecodeError) as error:
            raise SchemaError(f"{schema_path}: {error}") from error

    def letters(self, records: Iterable[Record]) -> Iterator[DatedLetter]:
        """The letters of these records; what is no letter of this schema is passed over."""
        for record in records:
            value = record.value or b""
            start = MARK_BYTES.get(value[0], 0) if value else 0
            try:
                message = self._read(value[start:])
                written_at = read_time(message["timestamp"], UTC) or record_instant(
                    max(0, record.timestamp_ms)
                )
                yield DatedLetter(message["dlq_id"], written_at, _letter(message))
            except (DecodeError, ValueError, KeyError):
                continue


def all_letters(
    stretch: Stretch | None, reader: LetterReader, kept: DeadLetters | None, group_id: str
) -> Iterator[DatedLetter]:
    """Every letter once: those of a stretch of their topic, then those that the store keeps.

    `group_id` is that of the engine which keeps them. Raises as `Stretch.batches` and the store do.
    """
    seen: set[str] = set()
    for dated in _from(stretch, reader, kept, group_id):
        # A letter that was sent twice is in its topic twice, and may be kept beside.
        if dated.letter_id not in seen:
            seen.add(dated.letter_id)
            yield dated


def _from(
    stretch: Stretch | None, reader: LetterReader, kept: DeadLetters | None, group_id: str
) -> Iterator[DatedLetter]:
    if stretch is not None:
        for batch in stretch.batches():
            yield from reader.letters(batch)
    if kept is not None:
        yield from kept_letters(kept, group_id)


def kept_letters(kept: DeadLetters, group_id: str) -> Iterator[DatedLetter]:
    """The letters that the store keeps, oldest first."""
    found = kept.dated(_AT_ONCE)
    while found:
        for _, kept_us, letter in found:
            written_at = datetime.fromtimestamp(kept_us / 1e6, UTC)
            yield DatedLetter(letter_id(letter.record, group_id), written_at, letter, is_kept=True)
        found = kept.dated(_AT_ONCE, found[-1][0])


def _letter(message: Mapping[str, Any]) -> DeadLetter:
    return DeadLetter(
        recover(message),
        DeadLetterType(message["error_type"]),
        message["error_message"],
        message["error_stack_trace"],
        message["retry_count"],
    )
