"""`${VAR}` in channel definitions: taken from the environment, and remembered as secrets.

`${VAR}` is the variable's value, and an error where it is unset or empty; `${VAR:-text}` has a
default for that case, written as it is to be used; `$$` is a dollar sign. Any other `$` stands
for itself. A variable may be given by a file that `VAR_FILE` names, see `engine.variable`. In a URL a
value is percent-quoted, so that `@`, `/`, `#` and `%` in it are data; only a variable that the URL
begins with is put in as it is, since it holds the URL or its start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from channels.redact import remember
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

    def replace(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        reference = _INSIDE.fullmatch(found["inside"])
        if reference is None or not found["end"]:
            raise ChannelError(
                "a ${…} reference is malformed",
                "write ${NAME}, ${NAME:-default}, or $$ for a dollar sign",
                path,
            )
        value = _value(reference["name"], variables, path)
        if value:
            if is_secret:
                remember((value,))
            return quote(value, safe="") if is_url and found.start() > 0 else value
        if reference["default"] is None:
            raise ChannelError(
                f"the environment variable {reference['name']} is unset or empty",
                "set it, or disable this channel",
                path,
            )
        return reference["default"]

    return _REFERENCE.sub(replace, text)


def _value(name: str, variables: Mapping[str, str], path: Path) -> str:
    try:
        return value_of(name, variables)
    except VariableError as error:
        raise ChannelError(error.what, error.remedy, path) from None
