"""Apprise URLs as text: `${VAR}` in them, where a value stands, and the recipients they name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, Final
from urllib.parse import quote, unquote

from apprise import NotifyBase

from channels.recipients import is_phone_like
from channels.redact import remember
from engine.environment import value_of
from engine.errors import ChannelError, VariableError

Read = Callable[[str], Mapping[str, Any] | None]

_COPIES: Final = frozenset({"cc", "bcc"})
_USUAL: Final = _COPIES | {"to"}
#: What `to` is called elsewhere.
_TO: Final = (
    *("recipient", "recipients", "rcpt", "receiver", "receivers", "target", "targets", "address"),
    *("addresses", "email", "mail", "mailto", "number", "numbers", "phone", "sendto"),
)
#: The beginning of a room, the first and one more; elsewhere `#` may be anything.
_ROOM: Final = re.compile(r"[/,;]\s*#")
_SHORT: Final = 3
_WORD: Final = re.compile(r"[a-z_-]{1,20}")


def keep_recipients(url: str, kind: type[NotifyBase], path: Path = ()) -> str:
    """The URL with each recipient where Apprise finds it.

    Raises ChannelError for an empty `to=`, `cc=` or `bcc=`.
    """
    before, mark, query = url.partition("?")
    keys = _recipient_keys(kind)
    values: dict[str, list[str]] = {key: [] for key in keys}
    rest: list[str] = []
    latest = ""
    for sign, piece in _pieces(query):
        name, equals, value = piece.partition("=")
        key = unquote(name).strip().lower()
        if sign == ";" and not equals and latest in keys:
            values[latest].append(piece)
            continue
        latest = key
        if key not in keys:
            rest.append(piece)
            continue
        if not unquote(value).strip(" ,;\t\r\n"):
            what = f"`{key}=` has no recipient behind it"
            raise ChannelError(what, "write one, or remove it", path)
        values[key].append(value)
    joined = (f"{key}={','.join(each)}" for key, each in values.items() if each)
    text = "&".join((*rest, *joined))
    return _ROOM.sub("/%23", before) + mark + text.replace("#", "%23")


def check_keys(url: str, kind: type[NotifyBase], read: Read, path: Path = ()) -> None:
    """Raise ChannelError for a key without effect that may be meant for recipients."""
    before, _, query = url.partition("?")
    pieces = [piece for _, piece in _pieces(query) if piece]
    keys = _recipient_keys(kind)
    if not keys & _USUAL:
        return
    for index, piece in enumerate(pieces):
        name, _, value = piece.partition("=")
        key = unquote(name).strip().lower()
        if key in kind.template_args or key[:1] in "+-:":
            continue
        meant = _meant(key, unquote(value), keys)
        if meant is None:
            continue
        others = [*pieces[:index], *pieces[index + 1 :]]
        if not _has_effect(before, others, name, value, read):
            raise ChannelError(
                f"{_shown(key)} means nothing to {kind.service_name}, so that nobody gets a "
                "message by it",
                f"write it as {meant}=…" if meant else "write recipients as to=…, and ? as %3F",
                path,
            )


def _recipient_keys(kind: type[NotifyBase]) -> frozenset[str]:
    """The keys of a service's URLs that list recipients."""
    return frozenset(
        name
        for name, about in kind.template_args.items()
        if name in _USUAL or "targets" in (about.get("alias_of"), about.get("map_to"))
    )


def _pieces(query: str) -> Iterator[tuple[str, str]]:
    """The `key=value` of a query, each with the sign before it; Apprise parts by `;` as well."""
    sign = ""
    for text in re.split(r"([&;])", query):
        if text in ("&", ";"):
            sign = text
        elif text:
            yield sign, text


def _meant(key: str, value: str, keys: frozenset[str]) -> str | None:
    """The key of recipients that an unknown one may stand for, "" for any; None where for none."""
    if "@" in key or is_phone_like(key) or not key:
        return ""
    if key in _TO:
        return "to"
    cutoff = 0.5 if len(key) <= _SHORT else 0.75
    near = difflib.get_close_matches(key, sorted(keys), 1, cutoff)
    if not near and difflib.get_close_matches(key, _TO, 1, 0.75):
        near = ["to"]
    if near:
        return near[0]
    return "" if "@" in value or is_phone_like(value) or value.startswith("#") else None


def _shown(key: str) -> str:
    """The key, where it is a word: the rest of a password with a `?` in it would be none."""
    return f"`{key}`" if _WORD.fullmatch(key) else "a key in the URL"


def _has_effect(before: str, others: list[str], name: str, value: str, read: Read) -> bool:
    """Whether Apprise reads the key: its plugins know more keys than they tell of."""
    found = [
        _told(read(f"{before}?{'&'.join(pieces)}" if pieces else before))
        for pieces in (others, [*others, f"{name}={value}"], [*others, f"{name}={quote('7 x')}"])
    ]
    return found[0] != found[1] or found[0] != found[2]


def _told(keywords: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (keywords or {}).items() if key not in ("qsd", "url")}


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
