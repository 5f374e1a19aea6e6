"""What to write where YAML can't read a line that is an expression, a message or a name."""

from __future__ import annotations

import re
from typing import Final

#: A line of a mapping: its key, and a value that begins with no blank.
_ENTRY: Final = re.compile(r"[\s{-]*(?:- )?\s*(?P<key>[A-Za-z_]\w*):[ \t]+(?P<value>\S.*?)\s*")
#: `${VAR}` as an item without quotes.
_VARIABLE: Final = re.compile(r"[\[,]\s*\$\{\w+\}")
_LONGEST: Final = 100
_QUOTES: Final = "put quotes around the whole value"
_BLOCK: Final = "write the text below `{}: |`, indented, where no sign means anything to YAML"
_JOIN: Final = "join its parts by && or ||, and put quotes around the whole"
_OF_CHANNELS: Final = "write ${…} in the channel's definition under `channels:`, and its name here"
#: What joins the parts of a condition elsewhere.
_JOINING: Final = re.compile(r"(?:all|any|and|or|not|none|if)\s*:", re.I)
_EXPRESSIONS: Final = frozenset({"when", "dedup_key"})
#: The keys whose values a remedy may repeat: under all others may stand a secret.
_SHOWN: Final = _EXPRESSIONS | {"name", "description", "message_template", "field", "expect"}
_INCLUDE: Final = "every file is read: write its rules under its own `rules:`"
#: Tags of other programs, without their sign.
_TAGS: Final = {
    **dict.fromkeys(
        ("secret", "env", "env_var", "ENV", "vault"), "a secret is ${VAR}, in channels only"
    ),
    **dict.fromkeys(
        ("include", "include_dir_list", "import"),
        "every file is read: write its rules under its own `rules:`",
    ),
}
_NO_TAG: Final = "remove it, or put quotes around the value if it is no tag"

Remedy = tuple[str, str]


def remedy_of_line(line: str, problem: str) -> Remedy | None:
    """What is wrong with a line that YAML's parser can't read, and what to write; None if unknown.

    `problem` is what the parser says of it.
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


def denied(key: str, tag: str, value: str) -> str:
    """The expression that a scalar under `key` is, whose `!` YAML took for a tag; "" for none."""
    if key not in _EXPRESSIONS:
        return ""
    return f"{tag} {value}" if value else tag


def remedy_of_tag(key: str, tag: str, text: str) -> Remedy:
    """What is wrong with a tag that is none of YAML's own, and what to write.

    `text` is the expression that it is part of, "" for none.
    """
    if text:
        return _exclamation_mark(key, text)
    return "the tag `!…` is not supported", _TAGS.get(tag.removeprefix("!"), _NO_TAG)


def _exclamation_mark(key: str, value: str) -> Remedy:
    return "a value that begins with `!` is a tag to YAML", _quoted(key, value)


def _quoted(key: str, value: str) -> str:
    """How the value is written in quotes."""
    if key not in _SHOWN:
        return _QUOTES
    for quote in "'\"":
        if quote not in value and (quote == "'" or "\\" not in value):
            text = f"{key}: {quote}{value}{quote}"
            return f"write {text}" if len(text) <= _LONGEST else _QUOTES
    return _BLOCK.format(key)


def _of_quotes(key: str, value: str) -> Remedy | None:
    """Of a value whose quotes end before it does."""
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
