"""Apprise's plugins of single services, corrected where alerts need it.

`NotifyEmail` is Apprise's own class: its Message-ID is replaced in place, see `mail_key`.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack
from apprise.plugins.twilio import NotifyTwilio

from channels.plugins.recipients import is_sender_name

with warnings.catch_warnings():
    # Its PGP support imports `imghdr`, which Python 3.13 removed; it has a substitute.
    warnings.filterwarnings("ignore", message="'imghdr' is deprecated")
    from apprise.plugins.email import NotifyEmail, base

__all__ = ["NotifyEmail"]

#: RFC 3834: no vacation responder answers such a mail.
MAIL_HEADERS: Final = {"Auto-Submitted": "auto-generated"}
_key: ContextVar[str] = ContextVar("channels_mail_key", default="")
# The plugin checks that the sender is a number.
_PLACEHOLDER_NUMBER: Final = "+15550000000"
# As the plugin checks them; real ones have 32 digits.
_SID: Final = re.compile(r"AC[0-9a-fA-F]+")
_TOKEN: Final = re.compile(r"[A-Za-z0-9]+")


class DiscordPlugin(NotifyDiscord):  # type: ignore[no-untyped-call]
    """Discord, with nobody mentioned unless the URL has `ping=`."""

    def _send(self, payload: dict[str, Any], *args: Any, **keywords: Any) -> Any:
        if not self.ping:
            payload = {**payload, "allowed_mentions": {"parse": []}}
        return super()._send(payload, *args, **keywords)


class SlackPlugin(NotifySlack):  # type: ignore[no-untyped-call]
    """Slack, with an `icon_emoji` (`:rotating_light:`), which only older webhooks obey."""

    def __init__(self, icon_emoji: str = "", **keywords: Any) -> None:
        super().__init__(**keywords)  # type: ignore[no-untyped-call]
        self.icon_emoji = icon_emoji

    def _send(self, url: str, payload: dict[str, Any], *args: Any, **keywords: Any) -> Any:
        if self.icon_emoji:
            payload = {**payload, "icon_emoji": self.icon_emoji}
        return super()._send(url, payload, *args, **keywords)  # type: ignore[no-untyped-call]


class TwilioPlugin(NotifyTwilio):  # type: ignore[no-untyped-call]
    """Twilio, with a name such as `ACME` as the sender too (an alphanumeric sender ID)."""

    def __init__(self, source: str, **keywords: Any) -> None:
        is_name = is_sender_name(source)
        super().__init__(source=_PLACEHOLDER_NUMBER if is_name else source, **keywords)  # type: ignore[no-untyped-call]
        if is_name:
            self.source = source


class TwilioPart(StrEnum):
    """A part of a Twilio account's settings."""

    SID = "SID"
    TOKEN = "TOKEN"  # noqa: S105 - the name of a part
    FROM = "FROM"


@dataclass(frozen=True, slots=True)
class TwilioFault:
    """What is wrong with a part, without its text, which may be a secret."""

    part: TwilioPart
    what: str
    remedy: str


def twilio_faults(
    sid: str, token: str, source: str, numbers: Sequence[str], *, is_call: bool = False
) -> Iterator[TwilioFault]:
    """The faults of an account's SID, its token, and a sender of messages to these numbers.

    An empty text is no fault here.
    """
    if sid and not _SID.fullmatch(sid):
        what = "the account's SID is not one of Twilio's, which are AC and 32 digits of 0-9 and a-f"
        yield TwilioFault(TwilioPart.SID, what, "copy it from Twilio's console")
    if token and not _TOKEN.fullmatch(token):
        what = "the auth token is not one of Twilio's, which have letters and digits only"
        yield TwilioFault(TwilioPart.TOKEN, what, "copy it from Twilio's console")
    if is_sender_name(source):
        if is_call:
            what = "a name can't call: a call comes from a number"
            yield TwilioFault(TwilioPart.FROM, what, "write one of your numbers at Twilio")
        elif any(number.startswith("whatsapp:") for number in numbers):
            what = "a name can't write to WhatsApp"
            yield TwilioFault(TwilioPart.FROM, what, "write whatsapp: and your number there")


@contextlib.contextmanager
def mail_key(key: str) -> Iterator[None]:
    """Make the Message-ID of mails inside this block, in this thread, from `key`."""
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


def _with_mail_key(make: Callable[..., str]) -> Callable[..., str]:
    def made(idstring: str | None = None, domain: str | None = None) -> str:
        key = _key.get()
        return f"<{key}@{domain}>" if key and domain else make(idstring, domain)

    return made


def _with_sender_domain(prepare: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def prepared(**keywords: Any) -> Iterator[Any]:
        # Without a host, the plugin takes the sender's domain for the Message-ID.
        return prepare(**{**keywords, "smtp_host": ""})

    return prepared


NotifyEmail.prepare_emails = staticmethod(  # type: ignore[method-assign]
    _with_sender_domain(NotifyEmail.prepare_emails)
)
vars(base)["make_msgid"] = _with_mail_key(vars(base)["make_msgid"])
