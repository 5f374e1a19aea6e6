"""The records of a CSV file with their lines; one that can't be read costs none of the others."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, TextIO

#: Most lines of one record: beyond that a quotation mark was never closed.
MAX_LINES: Final = 20

#: Told a line and what is wrong with it.
Report = Callable[[int, str], None]


class _UnclosedError(Exception):
    """A record does not end."""


class GuessedFields(list[str]):
    """The fields of a record that is not UTF-8, so that their letters may be wrong."""


class Records:
    """Iterates over (line, fields); bad records are reported and left out.

    The stream gives what is not UTF-8 as half surrogates (`surrogateescape`), and line ends as
    they are; such text is read as cp1252. `first_line` is the number of its first line.
    """

    def __init__(self, stream: TextIO, separator: str, report: Report, first_line: int = 1) -> None:
        self._stream: Final = stream
        self._separator: Final = separator
        self._report: Final = report
        self._line = first_line - 1
        self._record: Final[list[str]] = []
        self._has_bad_bytes = False
        #: The lines of records with `GuessedFields`: how many, and the first.
        self.guessed_count = 0
        self.first_guessed = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        waiting: Iterable[str] = self._stream
        record = self._record
        while True:
            reader = csv.reader(
                self._lines(waiting),
                delimiter=self._separator,
                skipinitialspace=self._separator != "\t",
                strict=True,
            )
            try:
                for fields in reader:
                    start = self._line + 1 - len(record)
                    record.clear()
                    if self._has_bad_bytes:
                        self._has_bad_bytes = False
                        self.guessed_count += 1
                        self.first_guessed = self.first_guessed or start
                        yield start, GuessedFields(map(as_cp1252, fields))
                    else:
                        yield start, fields
                return
            except _UnclosedError:
                problem = "a quotation mark is not closed"
            except csv.Error as error:
                problem = _explained(error)
            # What follows the first line may be records of their own.
            others = record[1:]
            self._line -= len(others)
            self._report(self._line, problem)
            record.clear()
            self._has_bad_bytes = False
            waiting = chain(others, self._stream)

    def _lines(self, waiting: Iterable[str]) -> Iterator[str]:
        record = self._record
        for line in waiting:
            self._line += 1
            record.append(line)
            if len(record) > MAX_LINES:
                raise _UnclosedError
            if not line.isascii() and not is_utf8(line):
                self._has_bad_bytes = True
            yield line


def is_utf8(text: str) -> bool:
    """Whether text that was decoded with `surrogateescape` was UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_cp1252(text: str) -> str:
    """Text that was decoded with `surrogateescape`, as Windows writes it in Western Europe.

    What was UTF-8 already stays as it is.
    """
    if text.isascii() or is_utf8(text):
        return text
    return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def _explained(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text:
        return "a quotation mark is not closed"
    if "expected after" in text:
        return "text follows a closing quotation mark: double the quotation marks inside a field"
    if "field larger" in text:
        return f"a field has more than {csv.field_size_limit():,} characters"
    return text
