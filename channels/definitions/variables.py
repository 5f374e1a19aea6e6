"""Apprise URLs as text: `${VAR}` in them, where a value stands, and the recipients they name."""

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


class UrlPlace(Enum):
    """A part of a URL, by what may stand in it as it is."""

    START = "start"
    LOGIN = "login"
    HOST = "host"
    PORT = "port"
    PATH = "path"
    QUERY = "query"


_END_OF_HOST: Final = re.compile(r"[/?#\\]")
# Percent-quoted signs of tokens, and the brackets, colons and port of an address, among them.
_HOST: Final = re.compile(r"(?:[\w.~!$&'()*+,;=:\[\]-]|%[0-9A-Fa-f]{2})+")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_LAST_PORT: Final = 65_535
#: A `:` in these is a part of a token: `tgram://123456789:TOKEN/CHAT`.
_WITHOUT_PORT: Final = ("tgram", "bale")


class UrlValueError(ValueError):
    """A value can't stand where it stands: `what` is wrong, and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def place_of(before: str, after: str) -> UrlPlace:
    """The place between the two parts of a URL; `after` has no values in it yet."""
    if not before.strip():
        return UrlPlace.START
    scheme, separator, rest = before.partition("://")
    if not separator:
        return UrlPlace.QUERY
    if "?" in rest:
        return UrlPlace.QUERY
    if _END_OF_HOST.search(rest):
        return UrlPlace.PATH
    if "@" in _END_OF_HOST.split(after, maxsplit=1)[0]:
        return UrlPlace.LOGIN
    host = rest.rpartition("@")[2]
    is_in_brackets = host.startswith("[") and "]" not in host
    has_port = scheme.lower() not in _WITHOUT_PORT
    return UrlPlace.PORT if ":" in host and has_port and not is_in_brackets else UrlPlace.HOST


def written(value: str, place: UrlPlace) -> str:
    """The value as it stands there; raises UrlValueError for what no host and no port can be."""
    if place is UrlPlace.HOST and not _HOST.fullmatch(value):
        what = "where the URL has its host, and holds what no host can: a blank or one of / ? # @ %"
        raise UrlValueError(what, "let it hold the host alone, like example.org or 10.0.0.7:8443")
    if place is UrlPlace.PORT and not (_PORT.fullmatch(value) and 0 < int(value) <= _LAST_PORT):
        what = "where the URL has its port, and is no number from 1 to 65535"
        raise UrlValueError(what, "let it hold the port alone, like 8443")
    if place in (UrlPlace.START, UrlPlace.HOST, UrlPlace.PORT):
        return value
    return quote(value, safe="/:" if place is UrlPlace.PATH else "")


_REFERENCE: Final = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<inside>[^{}]*)(?P<end>\}?))")
_INSIDE: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


def expand(
    text: str,
    variables: Mapping[str, str],
    path: KeyPath = (),
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


def _in_url(name: str, value: str, before: str, after: str, path: KeyPath) -> str:
    """The value as it stands between the two parts of the URL."""
    try:
        return written(value, place_of(before, after))
    except UrlValueError as error:
        what = f"the environment variable {name} stands {error.what}"
        raise ChannelError(what, error.remedy, path) from None


def _value(name: str, variables: Mapping[str, str], path: KeyPath) -> str:
    try:
        return value_of(name, variables)
    except VariableError as error:
        raise ChannelError(error.what, error.remedy, path) from None
