"""An Apprise URL as one plugin for each of its recipients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from apprise import NotifyBase
from apprise.plugins.slack import CHANNEL_RE, NotifySlack
from apprise.plugins.twilio import NotifyTwilio
from apprise.utils.parse import parse_emails, parse_list, parse_phone_no

from channels.identity import hashed, target_id
from channels.login import Doubt as LoginDoubt
from channels.login import settle_login
from channels.mail_plugin import NotifyEmail
from channels.mail_security import APPRISE_MODES, Doubt, mail_doubts
from channels.plugins import make_plugin, plugin_class, read_url
from channels.recipients import RecipientError, mail_address, phone_number
from channels.render import Style
from channels.variables import Path
from engine.errors import ChannelError

# Apprise's own names for what a telephone number is called in its plugins.
_SMS_BODY_LENGTH: Final = 2_000
_SECURITY_REMEDIES: Final[Mapping[Doubt, str]] = {
    Doubt.TLS_TOO_EARLY: "write mailtos:// without mode=ssl, mailto:// for a server without TLS, "
    "or port 465",
    Doubt.TLS_TOO_LATE: "write mailtos:// with mode=ssl, or port 587",
    Doubt.CLEAR_PASSWORD: "write mailtos:// instead of mailto://",
}
_PHONE_TOKENS: Final = ("target_phone", "target_phone_no")


_mails_of: Final[Callable[[object], list[str]]] = parse_emails
_phones_of: Final[Callable[..., list[str]]] = parse_phone_no
_list_of: Final[Callable[..., list[str]]] = parse_list


@dataclass(frozen=True, slots=True)
class Recipient:
    """A plugin with one recipient; `parts` are what its target id is made of.

    `doubts` are what its URL has that works, but hardly as it is meant: what, and the remedy.
    """

    plugin: NotifyBase = field(repr=False)
    style: Style
    parts: tuple[str, ...]
    doubts: tuple[LoginDoubt, ...] = ()

    def target_id(self, channel: str) -> str:
        """The target's id in this channel."""
        return target_id(channel, *self.parts)


def service_recipients(url: str, path: Path) -> list[Recipient]:
    """Every recipient of an Apprise URL; ChannelError where one is unusable or none is left."""
    keywords = read_url(url, path)
    doubts = settle_login(keywords)
    kind = plugin_class(str(keywords["schema"]))
    if issubclass(kind, NotifyEmail):
        return _mail(kind, keywords, path)
    if issubclass(kind, NotifyTwilio):
        return _twilio(kind, keywords, path)
    if issubclass(kind, NotifySlack):
        return _slack(kind, keywords, path)
    return [replace(each, doubts=doubts) for each in _other(kind, keywords, path)]


def security_doubts(plugin: NotifyBase) -> Iterator[tuple[str, str]]:
    """What is odd about how a mail URL's server is spoken to: what, and the remedy."""
    if isinstance(plugin, NotifyEmail):
        # The plugin knows what the ports and modes of the well-known providers are.
        tls = next(tls for tls, mode in APPRISE_MODES.items() if mode == plugin.secure_mode)
        has_password = bool(plugin.user and plugin.password)
        for doubt in mail_doubts(tls, int(plugin.port or 0), has_password=has_password):
            yield doubt.what, _SECURITY_REMEDIES[doubt.kind]


def _mail(kind: type[NotifyBase], keywords: Mapping[str, Any], path: Path) -> list[Recipient]:
    addresses = [
        _checked(mail_address, text, path)[1]
        for given in keywords.get("targets") or ()
        for text in _mails_in(str(given))
    ]
    whole = make_plugin(kind, keywords, path)
    for key in ("user", "password"):
        if not (getattr(whole, key) or "").isascii():
            raise ChannelError(f"the {key} holds characters beyond ASCII", "change it", path)
    if not addresses:
        # Apprise sends to the sender then, as its users know it.
        return [Recipient(whole, Style.EMAIL, (vars(whole)["from_addr"][1],))]
    return [
        Recipient(make_plugin(kind, {**keywords, "targets": [one]}, path), Style.EMAIL, (one,))
        for one in dict.fromkeys(addresses)
    ]


def _mails_in(given: str) -> list[str]:
    """The addresses in a text, and what is left of it as one more, where anything is."""
    found = _mails_of(given)
    left = given
    for text in found:
        left = left.replace(text, "", 1)
    left = left.strip(" ,;\t\r\n")
    return [*found, left] if left and left not in found else found


def _twilio(kind: type[NotifyBase], keywords: Mapping[str, Any], path: Path) -> list[Recipient]:
    given = _phones_of(keywords.get("targets"), prefix=True)
    numbers = [_checked(phone_number, text, path) for text in given]
    if not numbers:
        raise ChannelError(
            "the Twilio URL has no number to send to",
            "write twilio://SID:TOKEN@FROM/TO (without TO, FROM itself would get the messages)",
            path,
        )
    is_call = str(keywords.get("method", "")).lower().startswith("c")
    return [
        Recipient(
            make_plugin(kind, {**keywords, "targets": [number]}, path),
            Style.CHAT if is_call else Style.SMS,
            (number,),
        )
        for number in dict.fromkeys(numbers)
    ]


def _slack(kind: type[NotifyBase], keywords: Mapping[str, Any], path: Path) -> list[Recipient]:
    rooms = _list_of(keywords.get("targets"), sort=False)
    for room in rooms:
        if "@" not in room[1:] and not CHANNEL_RE.fullmatch(room):
            raise ChannelError(f"{room!r} is not a Slack channel", "write it like #alerts", path)
    if not rooms:
        return [Recipient(make_plugin(kind, keywords, path), Style.CHAT, ("slack",))]
    return [
        Recipient(
            make_plugin(kind, {**keywords, "targets": [room]}, path), Style.CHAT, ("slack", room)
        )
        for room in dict.fromkeys(rooms)
    ]


def _other(kind: type[NotifyBase], keywords: Mapping[str, Any], path: Path) -> list[Recipient]:
    whole = make_plugin(kind, keywords, path)
    is_phone = any(token in kind.template_tokens for token in _PHONE_TOKENS)
    targets: Sequence[Any] = getattr(whole, "targets", None) or ()
    if is_phone and not targets:
        raise ChannelError(
            f"the {kind.service_name} URL has no number to send to", "add one at its end", path
        )
    is_sms = is_phone and whole.title_maxlen <= 0 and whole.body_maxlen <= _SMS_BODY_LENGTH
    style = Style.SMS if is_sms else Style.CHAT
    name = _service_name(whole, keywords)
    given = keywords.get("targets")
    if isinstance(given, list) and len(given) > 1:
        split = [make_plugin(kind, {**keywords, "targets": [one]}, path) for one in given]
        # Where the service takes all recipients in one request, that request stands or falls whole.
        if len(whole) == sum(len(one) for one in split):
            return [
                Recipient(one, style, (*name, hashed(str(text))))
                for one, text in zip(split, given, strict=True)
            ]
    return [Recipient(whole, style, name)]


def _service_name(plugin: NotifyBase, keywords: Mapping[str, Any]) -> tuple[str, ...]:
    """The schema, and the host where that is a host; in some URLs it is a token."""
    schema = str(keywords["schema"]).lower()
    host = str(keywords.get("host") or "")
    if "host" not in type(plugin).template_tokens:
        return (schema,)
    if not host:
        given: Sequence[Any] = keywords.get("targets") or ()
        return (schema, hashed(str(given[0]))) if len(given) == 1 else (schema,)
    port = keywords.get("port")
    if not port and "." not in host and host != "localhost":
        # ntfy://topic has its topic there, which is as good as a password.
        return (schema, hashed(host))
    return (schema, f"{host}:{port}" if port else host)


def _checked(check: Any, text: str, path: Path) -> Any:
    try:
        return check(text)
    except RecipientError as error:
        raise ChannelError(error.what, error.remedy, path) from None
