"""Reads an Apprise URL as the keywords of its plugin, and finds what Apprise would ignore in it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from apprise import NotifyBase
from apprise.plugins import url_to_dict

from channels.plugins.plugin import (
    PRELOADED,
    KeyPath,
    all_plugins,
    collect_warnings,
    plugin_class,
    take_over_logs,
)
from channels.plugins.recipients import is_phone_like
from channels.redact import remember, url_secrets
from engine.errors import ChannelError

ReadUrl = Callable[[str], Mapping[str, Any] | None]
_RECIPIENT_KEYS: Final = frozenset({"to", "cc", "bcc"})
#: Names that other programs have for `to`.
_NAMES_OF_TO: Final = (
    *("recipient", "recipients", "rcpt", "receiver", "receivers", "target", "targets", "address"),
    *("addresses", "email", "mail", "mailto", "number", "numbers", "phone", "sendto"),
)
#: The `#` with which a room begins, as the first or a further one in a list.
_ROOM: Final = re.compile(r"[/,;]\s*#")
_SHORT_KEY: Final = 3
_WORD: Final = re.compile(r"[a-z_-]{1,20}")
_url_to_dict: Final[Callable[[str], dict[str, Any] | None]] = url_to_dict
_NEXT_URL: Final = re.compile(r"[\s,;]+[a-zA-Z][a-zA-Z0-9+.-]*://")
_PAIR: Final = re.compile(r"([^&;=]+)=([^&;]*)")
# Apprise unquotes the values of these keys once, and all others twice.
_UNQUOTED_ONCE: Final = frozenset({"to", "cc", "bcc", "reply"})
_SCHEME: Final = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*)://")
_MAIL: Final = re.compile(r"(?:[^<>]*<)?[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+>?")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()/.-]{5,}")
_HOST: Final = re.compile(r"(?:[a-z0-9-]+\.)+[a-z0-9-]+(?::\d+)?(?:/\S*)?|localhost\S*", re.I)
_CHAT_ROOM: Final = re.compile(r"[#@][\w.-]+|slack:.*", re.I)
_ADDRESS_KINDS: Final = (
    (_MAIL, "a mail address", "mailtos://USER:PASSWORD@SERVER?to=ADDRESS", "email"),
    (_CHAT_ROOM, "a room of a chat", "slack://TOKEN_A/TOKEN_B/TOKEN_C/%23ROOM", "slack"),
)


def read_url(url: str, path: KeyPath = ()) -> dict[str, Any]:
    """The keywords of the plugin of an Apprise URL, with `schema` among them.

    Raises ChannelError at `path` where Apprise can't read the URL, or would ignore a recipient.
    """
    take_over_logs()
    remember(url_secrets(url))
    if _NEXT_URL.search(url):
        raise ChannelError("there are several URLs in one text", "write them as a list", path)
    scheme = _SCHEME.match(url)
    if scheme is None:
        kind, remedy = address_kind(url)
        what = f"this is {kind}, not a URL" if kind else "this is not a URL"
        remedy = remedy or "write SERVICE://… (Apprise's wiki lists all)"
        raise ChannelError(what, remedy, path)
    known = PRELOADED.get(scheme[1].lower())
    read: Callable[[str], dict[str, Any] | None] = known.parse_url if known else _url_to_dict
    plugin = _kind_of(scheme[1])
    if plugin is not None:
        url = _with_quoted_recipients(url, plugin, path)
    with collect_warnings(path) as warnings:
        found = read(_quoted_again(url))
        if found and plugin is not None:
            _check_keys(url, plugin, read, path)
    if not found:
        what = f"Apprise can't read this {scheme[1]}:// URL"
        messages = [each for each in warnings if not each.startswith("Unparseable URL")]
        raise ChannelError("; ".join((what, *messages)), _remedy_for(scheme[1].lower()), path)
    if warnings:
        raise ChannelError(f"Apprise: {'; '.join(warnings)}", "correct it", path)
    return dict(found)


def is_native(url: str) -> bool:
    """Whether an https:// URL is a service's own, such as a Slack webhook's, that Apprise knows."""
    take_over_logs()
    kinds: Iterable[type[NotifyBase]] = all_plugins().plugins()
    return any(kind.parse_native_url(url) for kind in kinds)


def address_kind(text: str) -> tuple[str, str]:
    """What a text is that is not a URL, and what to write instead; both "" where it is unknown.

    The answers repeat nothing of the text, which may hold a secret.
    """
    text = text.strip()
    for pattern, what, url, block in _ADDRESS_KINDS:
        if pattern.fullmatch(text):
            return what, f"write {url}, or use the block `{block}` under `notifications:`"
    if _PHONE.fullmatch(text) and sum(map(str.isdigit, text)) >= 7:
        url = "twilio://SID:TOKEN@FROM/TO"
        what = f"write the URL of the service that texts it, such as {url}, or use the block `sms`"
        return "a telephone number", f"{what} under `notifications:`"
    if _HOST.fullmatch(text):
        return "an address without its scheme", "begin it with https:// or http://"
    return "", ""


def _with_quoted_recipients(url: str, kind: type[NotifyBase], path: KeyPath = ()) -> str:
    """The URL with all recipients of a key in one value, and `#` quoted, as Apprise needs it.

    Raises ChannelError for an empty `to=`, `cc=` or `bcc=`.
    """
    before, mark, query = url.partition("?")
    keys = _recipient_keys(kind)
    values: dict[str, list[str]] = {key: [] for key in keys}
    rest: list[str] = []
    latest = ""
    for separator, piece in _pieces(query):
        name, equals, value = piece.partition("=")
        key = unquote(name).strip().lower()
        if separator == ";" and not equals and latest in keys:
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


def _check_keys(url: str, kind: type[NotifyBase], read: ReadUrl, path: KeyPath = ()) -> None:
    """Raise ChannelError for a key that has no effect, but looks as if it lists recipients."""
    before, _, query = url.partition("?")
    pieces = [piece for _, piece in _pieces(query) if piece]
    keys = _recipient_keys(kind)
    if not keys & _RECIPIENT_KEYS:
        return
    for index, piece in enumerate(pieces):
        name, _, value = piece.partition("=")
        key = unquote(name).strip().lower()
        if key in kind.template_args or key[:1] in "+-:":
            continue
        likely = _likely_key(key, unquote(value), keys)
        if likely is None:
            continue
        others = [*pieces[:index], *pieces[index + 1 :]]
        if not _has_effect(before, others, name, value, read):
            raise ChannelError(
                f"{_shown(key)} means nothing to {kind.service_name}, so that nobody gets a "
                "message by it",
                f"write it as {likely}=…" if likely else "write recipients as to=…, and ? as %3F",
                path,
            )


def _recipient_keys(kind: type[NotifyBase]) -> frozenset[str]:
    """The keys of a service's URLs that list recipients."""
    return frozenset(
        name
        for name, about in kind.template_args.items()
        if name in _RECIPIENT_KEYS or "targets" in (about.get("alias_of"), about.get("map_to"))
    )


def _pieces(query: str) -> Iterator[tuple[str, str]]:
    """Each `key=value` of a query with the separator before it; Apprise splits at `;` too."""
    separator = ""
    for text in re.split(r"([&;])", query):
        if text in ("&", ";"):
            separator = text
        elif text:
            yield separator, text


def _likely_key(key: str, value: str, keys: frozenset[str]) -> str | None:
    """The key that is probably meant: "" for any key of recipients, None for none of them."""
    if "@" in key or is_phone_like(key) or not key:
        return ""
    if key in _NAMES_OF_TO:
        return "to"
    cutoff = 0.5 if len(key) <= _SHORT_KEY else 0.75
    near = difflib.get_close_matches(key, sorted(keys), 1, cutoff)
    if not near and difflib.get_close_matches(key, _NAMES_OF_TO, 1, 0.75):
        near = ["to"]
    if near:
        return near[0]
    return "" if "@" in value or is_phone_like(value) or value.startswith("#") else None


def _shown(key: str) -> str:
    """The key, where it is a word. Other text may be a part of a password with a `?` in it."""
    return f"`{key}`" if _WORD.fullmatch(key) else "a key in the URL"


def _has_effect(before: str, others: list[str], name: str, value: str, read: ReadUrl) -> bool:
    """Whether Apprise reads the key: its plugins know keys that their templates do not list."""
    found = [
        _comparable(read(f"{before}?{'&'.join(pieces)}" if pieces else before))
        for pieces in (others, [*others, f"{name}={value}"], [*others, f"{name}={quote('7 x')}"])
    ]
    return found[0] != found[1] or found[0] != found[2]


def _comparable(keywords: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (keywords or {}).items() if key not in ("qsd", "url")}


def _quoted_again(url: str) -> str:
    """The URL with each `%25` in its query quoted once more, since Apprise unquotes it twice."""
    head, mark, query = url.partition("?")

    def again(pair: re.Match[str]) -> str:
        if pair[1].lower() in _UNQUOTED_ONCE:
            return pair[0]
        return f"{pair[1]}={pair[2].replace('%25', '%2525')}"

    return f"{head}{mark}{_PAIR.sub(again, query)}"


def _kind_of(schema: str) -> type[NotifyBase] | None:
    """The plugin of a URL's scheme; None where there is none, as for a service's own https://."""
    known = PRELOADED.get(schema.lower())
    if known is not None:
        return known
    plugins = all_plugins()
    return plugin_class(schema.lower()) if schema.lower() in plugins else None


def _remedy_for(scheme: str) -> str:
    """The remedy for a URL that Apprise can't read."""
    near = difflib.get_close_matches(scheme, ("https", "http", *PRELOADED), n=1, cutoff=0.75)
    if near and near[0] != scheme:
        return f"did you mean {near[0]}://?"
    return "write it as Apprise's wiki does, which lists all services"
