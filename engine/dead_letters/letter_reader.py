"""Reads dead letters back from the records of their topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from engine.dead_letters.producer import recover
from engine.errors import DecodeError, SchemaError
from engine.schema import EventSchema
from engine.stream.record import MARK_BYTES, DeadLetter, DeadLetterType, Record


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

    def letters(self, records: Iterable[Record]) -> Iterator[DeadLetter]:
        """The letters of these records; what is no letter of this schema is passed over."""
        for record in records:
            value = record.value or b""
            start = MARK_BYTES.get(value[0], 0) if value else 0
            try:
                message = self._read(value[start:])
                yield _letter(message)
            except (DecodeError, ValueError, KeyError):
                continue


def _letter(message: Mapping[str, Any]) -> DeadLetter:
    return DeadLetter(
        recover(message),
        DeadLetterType(message["error_type"]),
        message["error_message"],
        message["error_stack_trace"],
        message["retry_count"],
    )
