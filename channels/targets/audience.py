"""Who gets what a target sends, by its plugin or its webhook: the table of `identity` in code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from apprise import NotifyBase
from apprise.plugins.slack import NotifySlack
from apprise.plugins.twilio import NotifyTwilio

from channels.alert import Audience, RecipientKey
from channels.plugins.plugin import NotifyEmail
from channels.plugins.recipients import normalized_mail, normalized_room

_USUAL_PORTS: Final = {"http": ":80", "https": ":443"}
#: What every service may be told: waits, format, certificates.
_SETTINGS: Final = frozenset(NotifyBase.template_args)
_NTFY_CLOUD: Final = "ntfy.sh"
_ANY: Final = "-"


def plugin_audience(plugin: NotifyBase) -> Audience:
    """The recipients of an Apprise plugin, and its server and sender, or its whole URL."""
    given: Any = plugin
    if isinstance(plugin, NotifyEmail):
        addresses = {*(address for _, address in given.targets), *given.cc, *given.bcc}
        server = str(given.smtp_host or given.host).lower()
        means = (server, str(given.port), normalized_mail(str(given.from_addr[1])))
        return Audience(frozenset(("mail", normalized_mail(each)) for each in addresses), means)
    if isinstance(plugin, NotifySlack):
        account = tuple(map(str, given.url_identifier))
        rooms = (normalized_room(str(room or "")) for room in given.channels)
        return Audience(frozenset(("slack", *account, room) for room in rooms))
    if isinstance(plugin, NotifyTwilio):
        numbers = (("twilio", str(given.method), *map(str, each)) for each in given.targets)
        return Audience(frozenset(numbers), (str(given.account_sid), str(given.source)))
    # By the scheme, since most plugins are loaded only when they are used.
    read = _READERS.get(str(given.secure_protocol))
    recipients = frozenset(read(given)) if read else frozenset()
    return Audience(recipients or frozenset({("service", _without_means(plugin))}), _url(plugin))


def webhook_audience(method: str, url: str, headers: Mapping[str, str], secret: str) -> Audience:
    """The one recipient of a webhook; its means are its password, and the `secret` that signs."""
    given = sorted((name.lower(), value) for name, value in headers.items())
    whole, password = _parted(_normalized_url(url))
    return Audience(frozenset({("webhook", method, whole, *chain(*given))}), (secret, password))


def _discord(plugin: Any) -> Iterator[RecipientKey]:
    yield "discord", str(plugin.webhook_id), str(plugin.thread_id or "")


def _telegram(plugin: Any) -> Iterator[RecipientKey]:
    """Its chats and topics; none where the bot is to find its chat itself."""
    for chat, topic in plugin.targets:
        yield "telegram", str(chat).casefold(), str(topic or "")


def _pagerduty(plugin: Any) -> Iterator[RecipientKey]:
    yield "pagerduty", str(plugin.integration_key)


def _mattermost(plugin: Any) -> Iterator[RecipientKey]:
    # A webhook has the name of its bot where a bot has its team.
    team = "" if plugin.mode == "webhook" else str(plugin.user or "")
    hook = (*_server(plugin, plugin.host), str(plugin.fullpath), str(plugin.token), team)
    for room in plugin.targets or [()]:
        yield "mattermost", *hook, "".join(room).casefold()


def _ntfy(plugin: Any) -> Iterator[RecipientKey]:
    """Its topics, and the mail address that gets a copy."""
    server = _server(plugin, plugin.host or _NTFY_CLOUD)
    for topic in plugin.topics:
        yield "ntfy", *server, str(topic)
    if plugin.email:
        yield "ntfy mail", str(plugin.email)


def _server(plugin: Any, host: str) -> tuple[str, str]:
    is_secure = plugin.secure or host == _NTFY_CLOUD
    return host.lower(), str(plugin.port or (443 if is_secure else 80))


#: The recipients of services, by the scheme of their URLs.
_READERS: Final[Mapping[str, Callable[[Any], Iterator[RecipientKey]]]] = {
    "discord": _discord,
    "mmosts": _mattermost,
    "ntfys": _ntfy,
    "pagerduty": _pagerduty,
    "tgram": _telegram,
}


def _without_means(plugin: NotifyBase) -> str:
    """The URL of a plugin without the password of its user, and without general settings."""
    settings = vars(plugin)
    given = {key: settings[key] for key in ("host", "user", "password") if settings.get(key)}
    if {"user", "password"} <= given.keys():
        # A plugin may go by whether there is one.
        settings["password"] = _ANY
    if "host" in type(plugin).template_tokens and "." in given.get("host", ""):
        settings["host"] = given["host"].lower()
    try:
        url = _url(plugin)
    finally:
        settings.update(given)
    before, mark, query = url.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    return before + mark + urlencode([pair for pair in pairs if pair[0] not in _SETTINGS])


def _url(plugin: NotifyBase) -> str:
    return str(plugin.url())  # type: ignore[no-untyped-call]


def _parted(url: str) -> tuple[str, str]:
    """The URL without the password behind its user, and the password."""
    parts = urlsplit(url)
    login, sign, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    if not user or not password:
        return url, ""
    return parts._replace(netloc=f"{user}{sign}{host}").geturl(), password


def _normalized_url(url: str) -> str:
    """The URL as a request has it; unchanged where no request can be made of it."""
    try:
        prepared = requests.Request("POST", url).prepare().url or url
    except requests.RequestException:
        return url
    parts = urlsplit(prepared)
    host = parts.netloc.removesuffix(_USUAL_PORTS.get(parts.scheme, ""))
    return parts._replace(netloc=host, fragment="").geturl()
