"""A YAML file as nodes with places, read within bounds of size, depth and expansion."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any, Final

import yaml

from engine.errors import Place
from engine.rules.builder import LESS_DEEP, TOO_DEEP, Builder, StopReadingError
from engine.rules.findings import Code, Findings
from engine.rules.node import Node, Scalar, Source
from engine.rules.position import BREAK
from engine.rules.yaml_remedies import remedy_of_line

MAX_FILE_BYTES: Final = 16 * 1024 * 1024

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READABLE: Final = "let the service's user read it, or remove it"
_ITEMS: Final = "begin a list on a line of its own, one `- item` a line, or write [a, b]"
_NEAR: Final = "put quotes around the whole value, or look at the indentation and brackets near it"
_REMEDIES: Final = (
    (
        "mapping values are not allowed",
        "write a blank after each `:`, put quotes around a value that holds `: `, "
        "or look at the indentation",
    ),
    ("unknown escape", "use single quotes, in which a backslash is just a backslash"),
    ("cannot start any token", "indent with spaces, or put quotes around the value"),
    ("tab character", "indent with spaces"),
    ("a quote is not closed", "end the value with the quote that it begins with"),
    ("found unexpected", "put quotes around the value"),
    ("control characters", "remove the invisible character"),
    ("special characters", "remove the invisible character"),
    ("block sequence entries are not allowed", _ITEMS),
    ("mapping keys are not allowed", "put quotes around a value that begins with `?`"),
    ("unknown directive", "remove the `%` at the line's beginning, or put quotes around it"),
    ("invalid Unicode character escape", "use single quotes, in which a backslash is just one"),
    ("expected '-' indicator", "indent a rule's other keys below its `- id:`, as `id` is"),
    ("comment or line break", "begin the text on the next line, indented, or put quotes around it"),
    ("hexdecimal", "use single quotes, in which a backslash is just one"),
    ("did not find expected", _NEAR),
    ("could not find expected", _NEAR),
)


def read_document(path: Path, findings: Findings) -> Node | None:
    """The content of a file, or None where it is unusable or empty; `findings` says why."""
    text = _read_text(path, findings)
    if text is None:
        return None
    return parse_document(Source(str(path), text), findings)


def parse_document(source: Source, findings: Findings) -> Node | None:
    """The content of a YAML text, or None where it is unusable or empty; `findings` says why."""
    builder = Builder(source, findings)
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            builder.take(event)
    except StopReadingError as stop:
        findings.error(stop.place, stop.code, stop.what, stop.remedy)
        return None
    except yaml.YAMLError as error:
        _syntax_fault(error, source, findings)
        return None
    if builder.root is None or (isinstance(builder.root, Scalar) and builder.root.is_null):
        findings.warning(
            Place(source.file), Code.EMPTY_FILE, "the file is empty", "write rules, or remove it"
        )
        return None
    return builder.root


def _read_text(path: Path, findings: Findings) -> str | None:
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        findings.error(
            place, Code.UNREADABLE, f"the file can't be read: {error.strerror or error}", _READABLE
        )
        return None
    if len(data) > MAX_FILE_BYTES:
        findings.error(
            place,
            Code.TOO_LARGE,
            f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB",
            "split it into several files",
        )
        return None
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        findings.error(
            _place_of(str(path), before),
            Code.NOT_UTF8,
            "the file is not UTF-8",
            "save it in the encoding UTF-8",
        )
        return None


def _place_of(file: str, before: str) -> Place:
    """The place right after the text `before`, which starts the file."""
    lines = BREAK.split(before)
    return Place(file, len(lines), len(lines[-1]) + 1)


def _syntax_fault(error: yaml.YAMLError, source: Source, findings: Findings) -> None:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = Place(source.file, mark.line + 1, mark.column + 1) if mark else Place(source.file)
        problem = error.problem or "it can't be parsed"
        if "end of stream" in problem and error.context_mark and "scalar" in str(error.context):
            # What is not closed begins there.
            begin = error.context_mark
            place = Place(source.file, begin.line + 1, begin.column + 1)
            problem = "a quote is not closed"
    elif isinstance(error, yaml.reader.ReaderError):
        place = _place_of(source.file, _before_bad_character(error, source.text))
        problem = error.reason
    else:
        place, problem = Place(source.file), str(error)
    if "nesting depth" in problem:
        # The parser has a limit of its own, and looks ahead.
        findings.error(place, Code.TOO_DEEP, TOO_DEEP, LESS_DEEP)
        return
    found = remedy_of_line(_line(source.text, place.line), problem)
    if found is not None:
        problem, remedy = found
        findings.error(place, Code.YAML, f"this is not valid YAML: {problem}", remedy)
        return
    remedy = next((remedy for part, remedy in _REMEDIES if part in problem), _NEAR)
    findings.error(place, Code.YAML, f"this is not valid YAML: {problem}", remedy)


def _line(text: str, number: int) -> str:
    """The line of that number, from 1; "" behind the last."""
    lines = BREAK.split(text)
    return lines[number - 1] if number <= len(lines) else ""


def _before_bad_character(error: yaml.reader.ReaderError, text: str) -> str:
    """The C parser counts the bytes before the character, the Python one the code points."""
    if error.encoding == "?":
        return text.encode()[: error.position].decode("utf-8", "ignore")
    return text[: error.position]
