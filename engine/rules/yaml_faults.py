"""What is wrong with a text that YAML's parser refuses, and what to write instead."""

from __future__ import annotations

import re
from typing import Final

import yaml

from engine.errors import Place
from engine.rules.faults import FaultCode, Faults
from engine.rules.node import BREAK, Source

MAX_DEPTH: Final = 50
TOO_DEEP: Final = f"this is nested more than {MAX_DEPTH} deep"
LESS_DEEP: Final = "no rule needs that: look at the brackets"

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
#: A line of a mapping: its key, and a value that begins with no blank.
_ENTRY: Final = re.compile(r"[\s{-]*(?:- )?\s*(?P<key>[A-Za-z_]\w*):[ \t]+(?P<value>\S.*?)\s*")
#: `${VAR}` as an item without quotes.
_VARIABLE: Final = re.compile(r"[\[,]\s*\$\{\w+\}")
_LONGEST: Final = 100
_QUOTES: Final = "put quotes around the whole value"
_BLOCK: Final = "write the text below `{}: |`, indented, where no sign means anything to YAML"
_JOIN: Final = "join its parts by && or ||, and put quotes around the whole"
_OF_CHANNELS: Final = "write ${…} in the channel's definition under `channels:`, and its name here"
#: Keys that join the parts of a condition in other programs.
_JOINING: Final = re.compile(r"(?:all|any|and|or|not|none|if)\s*:", re.I)
_EXPRESSIONS: Final = frozenset({"when", "dedup_key"})
#: Keys whose values a remedy may repeat. Values of other keys may be secrets.
_SHOWN: Final = _EXPRESSIONS | {"name", "description", "message_template", "field", "expect"}
_INCLUDE: Final = "every file is read: write its rules under its own `rules:`"
#: Tags of other programs, without their sign.
_TAGS: Final = {
    **dict.fromkeys(
        ("secret", "env", "env_var", "ENV", "vault"), "a secret is ${VAR}, in channels only"
    ),
    **dict.fromkeys(("include", "include_dir_list", "import"), _INCLUDE),
}
_NO_TAG: Final = "remove it, or put quotes around the value if it is no tag"

Remedy = tuple[str, str]
"""What is wrong, and what to write."""


def report_syntax_error(error: yaml.YAMLError, source: Source, faults: Faults) -> None:
    """Adds the parser's error to `faults`, with its place and a remedy."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = Place(source.file, mark.line + 1, mark.column + 1) if mark else Place(source.file)
        problem = error.problem or "it can't be parsed"
        if "end of stream" in problem and error.context_mark and "scalar" in str(error.context):
            # The place where the unclosed text begins says more than the end of the file.
            begin = error.context_mark
            place = Place(source.file, begin.line + 1, begin.column + 1)
            problem = "a quote is not closed"
    elif isinstance(error, yaml.reader.ReaderError):
        place = place_after(source.file, _before_bad_character(error, source.text))
        problem = error.reason
    else:
        place, problem = Place(source.file), str(error)
    if "nesting depth" in problem:
        # The parser's own limit may strike first, since it reads ahead of NodeBuilder.
        faults.error(place, FaultCode.TOO_DEEP, TOO_DEEP, LESS_DEEP)
        return
    found = remedy_of_line(_line(source.text, place.line), problem)
    if found is not None:
        problem, remedy = found
        faults.error(place, FaultCode.YAML, f"this is not valid YAML: {problem}", remedy)
        return
    remedy = next((remedy for part, remedy in _REMEDIES if part in problem), _NEAR)
    faults.error(place, FaultCode.YAML, f"this is not valid YAML: {problem}", remedy)


def remedy_of_line(line: str, problem: str) -> Remedy | None:
    """Explains a line that YAML's parser can't read, where its message alone misleads; else None.

    `problem` is the parser's message.
    """
    found = _ENTRY.fullmatch(line)
    key, value = (found["key"], found["value"]) if found is not None else ("", " ")
    if value[0] == "!":
        return _exclamation_mark(key, value)
    if value[0] in "\"'":
        return _of_quotes(key, value)
    if "did not find expected" in problem and _VARIABLE.search(line) is not None:
        what = "the `{` of `${…}` begins a mapping here"
        return what, _OF_CHANNELS if "notify" in line else 'put quotes around it: "${VAR}"'
    if "mapping values" in problem and ": " in value:
        return _of_colon(key, value)
    return None


def expression_after_tag(key: str, tag: str, value: str) -> str:
    """The expression under `key` whose `!` YAML took for the tag `tag`; "" where it is none."""
    if key not in _EXPRESSIONS:
        return ""
    return f"{tag} {value}" if value else tag


def remedy_of_tag(key: str, tag: str, text: str) -> Remedy:
    """Explains a tag that is not one of YAML's own.

    `text` is the expression that begins with it, "" where it does not begin one.
    """
    if text:
        return _exclamation_mark(key, text)
    return "the tag `!…` is not supported", _TAGS.get(tag.removeprefix("!"), _NO_TAG)


def place_after(file: str, before: str) -> Place:
    """The place right after `before`, the beginning of a file's text."""
    lines = BREAK.split(before)
    return Place(file, len(lines), len(lines[-1]) + 1)


def _line(text: str, number: int) -> str:
    """The line of that number, from 1; "" after the last."""
    lines = BREAK.split(text)
    return lines[number - 1] if number <= len(lines) else ""


def _before_bad_character(error: yaml.reader.ReaderError, text: str) -> str:
    """The text before a character that YAML refuses.

    The C parser counts the bytes before it, the Python one the code points.
    """
    if error.encoding == "?":
        return text.encode()[: error.position].decode("utf-8", "ignore")
    return text[: error.position]


def _exclamation_mark(key: str, value: str) -> Remedy:
    return "a value that begins with `!` is a tag to YAML", _quoted(key, value)


def _quoted(key: str, value: str) -> str:
    """The remedy that writes the value in quotes."""
    if key not in _SHOWN:
        return _QUOTES
    for quote in "'\"":
        if quote not in value and (quote == "'" or "\\" not in value):
            text = f"{key}: {quote}{value}{quote}"
            return f"write {text}" if len(text) <= _LONGEST else _QUOTES
    return _BLOCK.format(key)


def _of_quotes(key: str, value: str) -> Remedy | None:
    """The remedy for a value whose quotes end before it does; None where they don't."""
    quote = value[0]
    end = value.find(quote, 1)
    rest = value[end + 1 :].strip()
    if end < 0 or not rest or rest.startswith("#"):
        return None
    what = f"the text ends at its second {quote}, but the line goes on"
    is_nested = value.endswith(quote) and value[end + 1 : end + 2].strip() != ""
    return what, _quoted(key, value[1:-1] if is_nested else value)


def _of_colon(key: str, value: str) -> Remedy:
    what = "a value without quotes can't hold `: `"
    if key == "when" and _JOINING.match(value) is not None:
        return f"{what}, and `when` is one expression", _JOIN
    return what, _quoted(key, value)
