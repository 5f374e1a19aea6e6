"""Where in a URL a value stands, and how it is written there.

User and password are percent-quoted wholly, and so is what stands in the query; a path keeps its
`/`. Host and port can't be quoted, so that they are checked. What a URL begins with is the URL
itself, or its start.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final
from urllib.parse import quote


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
