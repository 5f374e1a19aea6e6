"""Text files: a plate a line, perhaps with a comment behind it; blank lines are left out."""

from __future__ import annotations

import re
from typing import Final, TextIO

from engine.watchlist.cell import is_clean, is_comment
from engine.watchlist.gathering import MAX_ROWS, Counted, Gathering, ListCode, ListError
from engine.watchlist.plate_column import is_known_name, is_possible_name
from engine.watchlist.records import as_cp1252, is_utf8

_SEPARATOR: Final = re.compile("[,;\t|]")
_HEADER: Final = "it is a header, and a .txt file has none: name it .csv, or remove this line"


def read_text(stream: TextIO, gathering: Gathering) -> None:
    """Read all lines; ListError where there are too many, or columns are asked for."""
    _check_definition(gathering)
    plates = gathering.plates
    count = 0
    guessed = Counted()
    lines = enumerate(stream, 1)
    first = next(((number, line) for number, line in lines if not _is_empty(line.strip())), None)
    if first is not None and _is_header(first[1]):
        gathering.skip(first[0], _HEADER)
        first = None
    for some in ((first,) if first is not None else (), lines):
        for number, line in some:
            text = line.strip()
            plate = text if is_clean(text) else _plate(number, text, gathering, guessed)
            if plate:
                plates[plate] = 0
                count += 1
                if count > MAX_ROWS:
                    what = f"the file has more than {MAX_ROWS:,} plates"
                    raise ListError(ListCode.TOO_LARGE, what, "split it into several lists")
    gathering.row_count = count
    gathering.note_guessed(guessed.count, guessed.line)


def _plate(number: int, line: str, gathering: Gathering, guessed: Counted) -> str:
    is_guessed = not line.isascii() and not is_utf8(line)
    if is_guessed:
        line = as_cp1252(line)
        guessed.add(number)
    if _is_empty(line):
        return ""
    return gathering.plate(number, line, is_guessed=is_guessed)


def _is_empty(line: str) -> bool:
    return not line or line.startswith("//") or is_comment(line)


def _is_header(line: str) -> bool:
    """Whether it is the header of a table; a word in capitals may be a plate."""
    name = _SEPARATOR.split(line, maxsplit=1)[0].strip()
    return is_known_name(name) or (is_possible_name(name) and name != name.upper())


def _check_definition(gathering: Gathering) -> None:
    asked = gathering.definition
    if any((asked.column, asked.note, asked.valid_from, asked.valid_until)):
        what = "a .txt file has plates only, no columns"
        raise ListError(ListCode.HEADER, what, "name it .csv, and write a header line into it")
