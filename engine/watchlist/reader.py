"""Reads a list's file, CSV or text, as a `Watchlist`, or reports why it can't be used."""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import IO, Final, TextIO

from engine.errors import Fault, Place
from engine.watchlist.builder import MAX_ROWS, LineCount, ListError, ListFaultCode, WatchlistBuilder
from engine.watchlist.csv_file import as_cp1252, is_utf8, read_csv
from engine.watchlist.header import is_known_name, is_possible_name
from engine.watchlist.plate_cell import is_clean, is_comment
from engine.watchlist.watchlist import Definition, FileMark, Watchlist

MAX_FILE_BYTES: Final = 256 * 1024**2
CSV_SUFFIXES: Final = frozenset({".csv", ".tsv"})
TEXT_SUFFIXES: Final = frozenset({".txt"})
SUFFIXES: Final = CSV_SUFFIXES | TEXT_SUFFIXES
_SHEET_SUFFIXES: Final = frozenset({".xlsx", ".xls", ".xlsm", ".ods", ".numbers"})
_HEAD_BYTES: Final = 4_096
_UTF16: Final = "utf-16"
_AS_UTF8: Final = "save it as CSV UTF-8"
_SEPARATOR: Final = re.compile("[,;\t|]")
_HEADER: Final = "it is a header, and a .txt file has none: name it .csv, or remove this line"


@dataclass(frozen=True, slots=True)
class ListResult:
    """The list of one definition, None where it can't be used, and all its faults."""

    watchlist: Watchlist | None
    faults: tuple[Fault, ...] = field(default=())


def read_watchlist(
    definition: Definition, zone: tzinfo, known: Watchlist | None = None
) -> ListResult:
    """Reads the list of a definition; times without a zone are in `zone`.

    `known` is the list of the load before. It is returned, with its faults, where neither its file
    nor its definition has changed.
    """
    try:
        with _open(definition.path) as file:
            mark = _mark(file)
            if known is not None and is_same(known, definition, mark, zone):
                return ListResult(known, _moved(known, definition))
            return _read(file, mark, definition, zone)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            what, remedy = f"there is no file {definition.path}", "write it, or correct the path"
        else:
            what, remedy = (
                f"the file {definition.path} can't be read: {reason}",
                "look at its permissions",
            )
        return _refused(definition, ListFaultCode.UNREADABLE, what, remedy)
    except ListError as error:
        return _refused(definition, error.code, error.what, error.remedy, error.line)


def _moved(known: Watchlist, definition: Definition) -> tuple[Fault, ...]:
    """The faults of an unchanged list, whose definition may stand at another place now."""
    was = known.definition.place
    return tuple(
        replace(fault, place=definition.place) if fault.place == was else fault
        for fault in known.faults
    )


def is_same(known: Watchlist, definition: Definition, mark: FileMark, zone: tzinfo) -> bool:
    """Whether reading the file again would give the known list."""
    return known.mark == mark and known.definition == definition and str(known.zone) == str(zone)


def _read(file: IO[bytes], mark: FileMark, definition: Definition, zone: tzinfo) -> ListResult:
    if mark.size > MAX_FILE_BYTES:
        what = f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB"
        raise ListError(ListFaultCode.TOO_LARGE, what, "split it into several lists")
    encoding = _encoding(file.read(_HEAD_BYTES))
    file.seek(0)
    builder = WatchlistBuilder(definition, zone)
    is_table = definition.path.suffix.lower() not in TEXT_SUFFIXES
    errors = "replace" if encoding == _UTF16 else "surrogateescape"
    with io.TextIOWrapper(file, encoding, errors=errors, newline="") as text:
        (read_csv if is_table else read_text)(text, builder)
    found = builder.build(mark)
    return ListResult(found, found.faults)


def _open(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        is_sheet = suffix in _SHEET_SUFFIXES
        raise ListError(
            ListFaultCode.UNREADABLE if is_sheet else ListFaultCode.SUFFIX,
            f"{path} is a spreadsheet" if is_sheet else f"{path} is no .csv, .tsv or .txt file",
            _AS_UTF8 if is_sheet else "a .txt file has a plate a line, a .csv file a header",
        )
    # To open a pipe would wait for its other end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ListError(ListFaultCode.UNREADABLE, f"{path} is not a regular file", "give a file")
    return path.open("rb")


def _mark(file: IO[bytes]) -> FileMark:
    found = os.fstat(file.fileno())
    return FileMark(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _encoding(head: bytes) -> str:
    """The encoding of a file with these first bytes; ListError where it is no text."""
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ListError(ListFaultCode.NOT_UTF8, "the file is a spreadsheet, not text", _AS_UTF8)
    if head.startswith(b"\x1f\x8b"):
        raise ListError(
            ListFaultCode.NOT_UTF8, "the file is compressed (gzip), not text", "unpack it"
        )
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        if not head.startswith(codecs.BOM_UTF32_LE):
            return _UTF16
    elif b"\0" not in head:
        return "utf-8-sig"
    raise ListError(ListFaultCode.NOT_UTF8, "the file is not UTF-8 (perhaps UTF-16)", _AS_UTF8)


def _refused(
    definition: Definition, code: ListFaultCode, what: str, remedy: str, line: int = 0
) -> ListResult:
    """No list, and a fault at the `line` of its file, or where the list is defined."""
    place = Place(str(definition.path), line) if line else definition.place
    what = f"the watchlist {definition.name}: {what}"
    return ListResult(None, (Fault(place, str(code), what, remedy),))


def read_text(stream: TextIO, builder: WatchlistBuilder) -> None:
    """Reads the plates of a text file, one a line.

    ListError where there are too many, or where the definition names columns.
    """
    _check_definition(builder)
    plates = builder.plates
    count = 0
    guessed = LineCount()
    lines = enumerate(stream, 1)
    first = next(((number, line) for number, line in lines if not _is_empty(line.strip())), None)
    if first is not None and _is_header(first[1]):
        builder.skip(first[0], _HEADER)
        first = None
    for some in ((first,) if first is not None else (), lines):
        for number, line in some:
            text = line.strip()
            plate = text if is_clean(text) else _plate(number, text, builder, guessed)
            if plate:
                plates[plate] = 0
                count += 1
                if count > MAX_ROWS:
                    what = f"the file has more than {MAX_ROWS:,} plates"
                    raise ListError(ListFaultCode.TOO_LARGE, what, "split it into several lists")
    builder.row_count = count
    builder.warn_of_guessed(guessed.count, guessed.line)


def _plate(number: int, line: str, builder: WatchlistBuilder, guessed: LineCount) -> str:
    is_guessed = not line.isascii() and not is_utf8(line)
    if is_guessed:
        line = as_cp1252(line)
        guessed.add(number)
    if _is_empty(line):
        return ""
    return builder.plate(number, line, is_guessed=is_guessed)


def _is_empty(line: str) -> bool:
    return not line or line.startswith("//") or is_comment(line)


def _is_header(line: str) -> bool:
    """Whether a line is the header of a table; a word in capitals may be a plate."""
    name = _SEPARATOR.split(line, maxsplit=1)[0].strip()
    return is_known_name(name) or (is_possible_name(name) and name != name.upper())


def _check_definition(builder: WatchlistBuilder) -> None:
    asked = builder.definition
    if any((asked.column, asked.note, asked.valid_from, asked.valid_until)):
        what = "a .txt file has plates only, no columns"
        raise ListError(ListFaultCode.HEADER, what, "name it .csv, and write a header line into it")
