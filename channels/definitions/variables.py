"""Replaces `${VAR}` in the texts of a definition, quoted where the text is a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final
from urllib.parse import quote

from channels.plugins.plugin import KeyPath
from channels.redact import remember
from engine.environment import value_of
from engine.errors import ChannelError, VariableError

_END_OF_HOST: Final = re.compile(r"[/?#\\]")
# A host, or a token in its place: with percent-quotes, and with the brackets of an address.
_HOST: Final = re.compile(r"(?:[\w.~!$&'()*+,;=:\[\]-]|%[0-9A-Fa-f]{2})+")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_LAST_PORT: Final = 65_535
#: Schemes in which a `:` is a part of a token: `tgram://123456789:TOKEN/CHAT`.
_WITHOUT_PORT: Final = ("tgram", "bale")
_REFERENCE: Final = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<inside>[^{}]*)(?P<end>\}?))")
_INSIDE: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


class UrlPart(Enum):
    """A part of a URL; it decides how a value is quoted there."""

    START = "start"
    LOGIN = "login"
    HOST = "host"
    PORT = "port"
    PATH = "path"
    QUERY = "query"


class UrlValueError(ValueError):
    """A value can't be in that part of a URL: `what` is wrong, and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def part_at(before: str, after: str) -> UrlPart:
    """The part of a URL between two texts of it; `after` still has its references."""
    if not before.strip():
        return UrlPart.START
    scheme, separator, rest = before.partition("://")
    if not separator:
        return UrlPart.QUERY
    if "?" in rest:
        return UrlPart.QUERY
    if _END_OF_HOST.search(rest):
        return UrlPart.PATH
    if "@" in _END_OF_HOST.split(after, maxsplit=1)[0]:
        return UrlPart.LOGIN
    host = rest.rpartition("@")[2]
    is_in_brackets = host.startswith("[") and "]" not in host
    has_port = scheme.lower() not in _WITHOUT_PORT
    return UrlPart.PORT if ":" in host and has_port and not is_in_brackets else UrlPart.HOST


def quoted_for(value: str, part: UrlPart) -> str:
    """The value as that part has it; raises UrlValueError for a wrong host or port."""
    if part is UrlPart.HOST and not _HOST.fullmatch(value):
        what = "where the URL has its host, and holds what no host can: a blank or one of / ? # @ %"
        raise UrlValueError(what, "let it hold the host alone, like example.org or 10.0.0.7:8443")
    if part is UrlPart.PORT and not (_PORT.fullmatch(value) and 0 < int(value) <= _LAST_PORT):
        what = "where the URL has its port, and is no number from 1 to 65535"
        raise UrlValueError(what, "let it hold the port alone, like 8443")
    if part in (UrlPart.START, UrlPart.HOST, UrlPart.PORT):
        return value
    return quote(value, safe="/:" if part is UrlPart.PATH else "")


def expand(
    text: str,
    variables: Mapping[str, str],
    path: KeyPath = (),
    *,
    is_url: bool = False,
    is_secret: bool = True,
) -> str:
    """`text` with each `${VAR}`, `${VAR:-default}` and `$$` replaced.

    In a URL, a value is quoted as its place needs it. With `is_secret`, values are remembered for
    redaction. Raises ChannelError at `path` for a variable that is unset or empty, one whose file
    can't be read, and a malformed reference.
    """

    def value_in(found: re.Match[str]) -> str:
        """The value of one reference."""
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


def _in_url(name: str, value: str, before: str, after: str, path: KeyPath) -> str:
    """The value, quoted for its place between the two texts of the URL."""
    try:
        return quoted_for(value, part_at(before, after))
    except UrlValueError as error:
        what = f"the environment variable {name} stands {error.what}"
        raise ChannelError(what, error.remedy, path) from None


def _value(name: str, variables: Mapping[str, str], path: KeyPath) -> str:
    try:
        return value_of(name, variables)
    except VariableError as error:
        raise ChannelError(error.what, error.remedy, path) from None
