"""Dead letters are read back from the records of their topic."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.dead_letters.letter_reader import LetterReader
from engine.dead_letters.producer import to_message
from engine.errors import SchemaError
from engine.schema import RecordWriter
from engine.stream.record import DeadLetter, DeadLetterType, Record, framed
from tests.support.handbook import ROOT

SCHEMA = ROOT / "schemas" / "dlq_message.avsc"
NOW = datetime(2025, 12, 25, 16, 0, tzinfo=UTC)


def test_a_letter_comes_back_whole_and_what_is_none_is_passed_over() -> None:
    record = Record("plates", 3, 7, 1_000, b"cam-1", b"\x00\xff", (("h", b"\xff"),))
    letter = DeadLetter(record, DeadLetterType.PROCESSING_FAILURE, "ValueError: x", "Traceback", 2)
    body = RecordWriter(SCHEMA.read_text()).write(to_message(letter, "group", NOW))
    values = [framed(5, body), b"no letter", framed(5, b""), None, b""]
    records = [Record("dlq", 0, number, 0, None, value) for number, value in enumerate(values)]
    assert [each.letter for each in LetterReader(SCHEMA).letters(records)] == [letter]


def test_a_schema_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"letters\.avsc"):
        LetterReader(tmp_path / "letters.avsc")
