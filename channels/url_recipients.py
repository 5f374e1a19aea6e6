"""The recipients in an Apprise URL's text, kept from vanishing while Apprise reads it.

Apprise takes the last of several `to=`, what stands before a `;`, and what stands before a `#`; it
reads neither an empty `to=` nor a misspelt one, and sends to others instead.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from apprise import NotifyBase

from channels.recipients import is_phone_like
from channels.variables import Path
from engine.errors import ChannelError

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
