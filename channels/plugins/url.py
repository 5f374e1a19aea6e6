from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from apprise import NotifyBase
from apprise.plugins import url_to_dict

from channels.plugins.plugin import (
    _KNOWN,
    KeyPath,
    _listening,
    _manager,
    plugin_class,
    take_over_logs,
)
from channels.plugins.recipients import is_phone_like
from channels.redact import remember, url_secrets
from engine.errors import ChannelError

ReadUrl = Callable[[str], Mapping[str, Any] | None]

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


def keep_recipients(url: str, kind: type[NotifyBase], path: KeyPath = ()) -> str:
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


def check_keys(url: str, kind: type[NotifyBase], read: ReadUrl, path: KeyPath = ()) -> None:
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


def _has_effect(before: str, others: list[str], name: str, value: str, read: ReadUrl) -> bool:
    """Whether Apprise reads the key: its plugins know more keys than they tell of."""
    found = [
        _told(read(f"{before}?{'&'.join(pieces)}" if pieces else before))
        for pieces in (others, [*others, f"{name}={value}"], [*others, f"{name}={quote('7 x')}"])
    ]
    return found[0] != found[1] or found[0] != found[2]


def _told(keywords: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (keywords or {}).items() if key not in ("qsd", "url")}


_url_to_dict: Final[Callable[[str], dict[str, Any] | None]] = url_to_dict

_SEVERAL: Final = re.compile(r"[\s,;]+[a-zA-Z][a-zA-Z0-9+.-]*://")
_PAIR: Final = re.compile(r"([^&;=]+)=([^&;]*)")
# These Apprise unquotes once, all others twice.
_UNQUOTED_ONCE: Final = frozenset({"to", "cc", "bcc", "reply"})
_SCHEME: Final = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*)://")


def read_url(url: str, path: KeyPath = ()) -> dict[str, Any]:
    """An Apprise URL as the keywords of its plugin, with `schema` among them.

    Raises ChannelError where Apprise can't read it.
    """
    take_over_logs()
    remember(url_secrets(url))
    if _SEVERAL.search(url):
        raise ChannelError("there are several URLs in one text", "write them as a list", path)
    scheme = _SCHEME.match(url)
    if scheme is None:
        kind, remedy = address_kind(url)
        what = f"this is {kind}, not a URL" if kind else "this is not a URL"
        remedy = remedy or "write SERVICE://… (Apprise's wiki lists all)"
        raise ChannelError(what, remedy, path)
    known = _KNOWN.get(scheme[1].lower())
    read: Callable[[str], dict[str, Any] | None] = known.parse_url if known else _url_to_dict
    plugin = _kind_of(scheme[1])
    if plugin is not None:
        url = keep_recipients(url, plugin, path)
    with _listening(path) as warnings:
        found = read(_quoted_again(url))
        if found and plugin is not None:
            check_keys(url, plugin, read, path)
    if not found:
        what = f"Apprise can't read this {scheme[1]}:// URL"
        said = [each for each in warnings if not each.startswith("Unparseable URL")]
        raise ChannelError("; ".join((what, *said)), _unread(scheme[1].lower()), path)
    if warnings:
        raise ChannelError(f"Apprise: {'; '.join(warnings)}", "correct it", path)
    return dict(found)


def _quoted_again(url: str) -> str:
    """The URL with each `%` in a value of its query quoted twice, for Apprise unquotes twice."""
    head, mark, query = url.partition("?")

    def again(pair: re.Match[str]) -> str:
        if pair[1].lower() in _UNQUOTED_ONCE:
            return pair[0]
        return f"{pair[1]}={pair[2].replace('%25', '%2525')}"

    return f"{head}{mark}{_PAIR.sub(again, query)}"


def _kind_of(schema: str) -> type[NotifyBase] | None:
    """The plugin of a URL's scheme; None where there is none, as for a service's own https://."""
    known = _KNOWN.get(schema.lower())
    if known is not None:
        return known
    plugins = _manager()
    return plugin_class(schema.lower()) if schema.lower() in plugins else None


def _unread(scheme: str) -> str:
    """The remedy for a URL that Apprise can't read."""
    near = difflib.get_close_matches(scheme, ("https", "http", *_KNOWN), n=1, cutoff=0.75)
    if near and near[0] != scheme:
        return f"did you mean {near[0]}://?"
    return "write it as Apprise's wiki does, which lists all services"


def is_native(url: str) -> bool:
    """Whether an https:// URL is one that a service hands out, and that Apprise knows."""
    take_over_logs()
    kinds: Iterable[type[NotifyBase]] = _manager().plugins()
    return any(kind.parse_native_url(url) for kind in kinds)


_MAIL: Final = re.compile(r"(?:[^<>]*<)?[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+>?")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()/.-]{5,}")
_HOST: Final = re.compile(r"(?:[a-z0-9-]+\.)+[a-z0-9-]+(?::\d+)?(?:/\S*)?|localhost\S*", re.I)
_CHAT_ROOM: Final = re.compile(r"[#@][\w.-]+|slack:.*", re.I)
_KINDS: Final = (
    (_MAIL, "a mail address", "mailtos://USER:PASSWORD@SERVER?to=ADDRESS", "email"),
    (_CHAT_ROOM, "a room of a chat", "slack://TOKEN_A/TOKEN_B/TOKEN_C/%23ROOM", "slack"),
)


def address_kind(text: str) -> tuple[str, str]:
    """What a text is that is no URL, and what to write for it; both "" where that is not known.

    Nothing of the text is repeated: it may hold a secret.
    """
    text = text.strip()
    for pattern, what, url, block in _KINDS:
        if pattern.fullmatch(text):
            return what, f"write {url}, or use the block `{block}` under `notifications:`"
    if _PHONE.fullmatch(text) and sum(map(str.isdigit, text)) >= 7:
        url = "twilio://SID:TOKEN@FROM/TO"
        what = f"write the URL of the service that texts it, such as {url}, or use the block `sms`"
        return "a telephone number", f"{what} under `notifications:`"
    if _HOST.fullmatch(text):
        return "an address without its scheme", "begin it with https:// or http://"
    return "", ""
