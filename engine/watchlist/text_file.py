"""Text files: a plate a line; blank lines, and what follows a `#`, are left out."""

from __future__ import annotations

import re
from typing import Final, TextIO

from engine.watchlist.gathering import MAX_ROWS, Gathering, ListCode, ListError
from engine.watchlist.plates import MAX_LENGTH
from engine.watchlist.records import as_cp1252, is_utf8

_CLEAN: Final = re.compile(f"[A-Z0-9]{{1,{MAX_LENGTH}}}").fullmatch


def read_text(stream: TextIO, gathering: Gathering) -> None:
    """Read all lines; ListError where there are too many, or columns are asked for."""
    _check_definition(gathering)
    plates = gathering.plates
    count = guessed_count = first_guessed = 0
    for number, line in enumerate(stream, 1):
        text = line.strip()
        plate = text
        if not _CLEAN(text):
            is_guessed = not text.isascii() and not is_utf8(text)
            if is_guessed:
                text = as_cp1252(text)
                guessed_count += 1
                first_guessed = first_guessed or number
            plate = _plate(number, text, gathering, is_guessed=is_guessed)
        if plate:
            plates[plate] = 0
            count += 1
            if count > MAX_ROWS:
                what = f"the file has more than {MAX_ROWS:,} plates"
                raise ListError(ListCode.TOO_LARGE, what, "split it into several lists")
    gathering.row_count = count
    gathering.note_guessed(guessed_count, first_guessed)


def _plate(number: int, line: str, gathering: Gathering, *, is_guessed: bool) -> str:
    text = line.partition("#")[0].strip()
    return gathering.plate(number, text, is_guessed=is_guessed) if text else ""


def _check_definition(gathering: Gathering) -> None:
    asked = gathering.definition
    if any((asked.column, asked.note, asked.valid_from, asked.valid_until)):
        what = "a .txt file has plates only, no columns"
        raise ListError(ListCode.HEADER, what, "name it .csv, and write a header line into it")
