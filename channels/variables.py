"""`${VAR}` in channel definitions: taken from the environment, and remembered as secrets.

`${VAR}` is the variable's value, and an error where it is unset or empty; `${VAR:-text}` has a
default for that case, written as it is to be used; `$$` is a dollar sign. Any other `$` stands
for itself. A variable may be given by a file that `VAR_FILE` names, see `engine.variable`. In a
URL a value is quoted by where it stands, see `channels.url_place`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from channels.redact import remember
from channels.url_place import UrlValueError, place_of, written
from engine.errors import ChannelError, VariableError
from engine.variable import value_of

Path = tuple[str | int, ...]

_REFERENCE: Final = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<inside>[^{}]*)(?P<end>\}?))")
_INSIDE: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


def expand(
    text: str,
    variables: Mapping[str, str],
    path: Path = (),
    *,
    is_url: bool = False,
    is_secret: bool = True,
) -> str:
    """`text` with its `${VAR}` replaced; `is_secret` remembers what was put in for redaction.

    Raises ChannelError naming the variable that is unset or empty, or whose file can't be read, or
    the malformed reference.
    """

    def value_in(found: re.Match[str]) -> str:
        """What stands for one reference."""
        if found["dollar"]:
            return "$"
        reference = _INSIDE.fullmatch(found["inside"])
        if reference is None or not found["end"]:
            raise ChannelError(
                "a ${…} reference is malformed",
                "write ${NAME}, ${NAME:-default}, or $$ for a dollar sign",
                path,
            )
        name = reference["name"]
        value = _value(name, variables, path)
        if value:
            if is_secret:
                remember((value,))
            after = _REFERENCE.sub("", text[found.end() :])
            return _in_url(name, value, expanded, after, path) if is_url else value
        if reference["default"] is None:
            raise ChannelError(
                f"the environment variable {name} is unset or empty",
                "set it, or disable this channel",
                path,
            )
        return reference["default"]

    expanded, end = "", 0
    for found in _REFERENCE.finditer(text):
        expanded += text[end : found.start()]
        expanded += value_in(found)
        end = found.end()
    return expanded + text[end:]


def _in_url(name: str, value: str, before: str, after: str, path: Path) -> str:
    """The value as it stands between the two parts of the URL."""
    try:
        return written(value, place_of(before, after))
    except UrlValueError as error:
        what = f"the environment variable {name} stands {error.what}"
        raise ChannelError(what, error.remedy, path) from None


def _value(name: str, variables: Mapping[str, str], path: Path) -> str:
    try:
        return value_of(name, variables)
    except VariableError as error:
        raise ChannelError(error.what, error.remedy, path) from None
