"""Apprise's plugins, made from a URL or from keywords, with their traps defused."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from apprise import AppriseAsset, NotifyBase
from apprise.common import OverflowMode
from apprise.manager_plugins import NotificationManager
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack
from apprise.plugins.twilio import NotifyTwilio

from channels.plugins.recipients import is_sender_name
from channels.redact import redact
from engine.errors import ChannelError

__all__ = ["MAIL_HEADERS", "NotifyEmail", "mail_key"]

APP_ID: Final = "Alert Engine"


class DiscordPlugin(NotifyDiscord):  # type: ignore[no-untyped-call]
    """Discord, which mentions nobody unless the URL has a `ping=`."""

    def _send(self, payload: dict[str, Any], *args: Any, **keywords: Any) -> Any:
        if not self.ping:
            payload = {**payload, "allowed_mentions": {"parse": []}}
        return super()._send(payload, *args, **keywords)


class TwilioPlugin(NotifyTwilio):  # type: ignore[no-untyped-call]
    """Twilio, sending also from a name such as `ACME` (an alphanumeric sender ID)."""

    def __init__(self, source: str, **keywords: Any) -> None:
        is_name = is_sender_name(source)
        super().__init__(source=_STAND_IN if is_name else source, **keywords)  # type: ignore[no-untyped-call]
        if is_name:
            self.source = source


with warnings.catch_warnings():
    # Its PGP support still imports `imghdr`, which Python 3.13 removed, and has a substitute.
    warnings.filterwarnings("ignore", message="'imghdr' is deprecated")
    from apprise.plugins.email import NotifyEmail, base

# Only a number gets through the plugin's own check.
_STAND_IN: Final = "+15550000000"

# Loading all of Apprise's plugins takes 17 MB: these do without.
_KNOWN: Final[Mapping[str, type[NotifyBase]]] = {
    "discord": DiscordPlugin,
    "mailto": NotifyEmail,
    "mailtos": NotifyEmail,
    "slack": NotifySlack,
    "twilio": TwilioPlugin,
}
_manager: Final[Callable[[], Any]] = NotificationManager

_SLACK_BLOCK_LENGTH: Final = 3_000
_SLACK_HEADER_LENGTH: Final = 150

_warnings: ContextVar[list[str] | None] = ContextVar("channels_apprise_warnings", default=None)
_lock: Final = threading.Lock()


class _WithoutSecrets(logging.Filter):
    """Takes secrets out of a record, before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        record.exc_info = record.exc_text = None
        return True


class _ApprisesLog(logging.Handler):
    """Keeps what is said while a plugin is made, and passes the rest on."""

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        heard = _warnings.get()
        if heard is not None:
            if record.levelno <= logging.ERROR:
                heard.append(said)
            return
        # What a try came to is told by its outcome already.
        logging.getLogger("channels.apprise").debug(said)


def take_over_logs() -> None:
    """Take over Apprise's log, which shows tokens in clear, and urllib3's, which shows URLs."""
    logger = logging.getLogger("apprise")
    with _lock:
        if not any(isinstance(handler, _ApprisesLog) for handler in logger.handlers):
            logger.handlers = [_ApprisesLog()]
            logger.addFilter(_WithoutSecrets())
        logger.propagate = False
        # Below this level Apprise logs whole payloads.
        logger.setLevel(logging.WARNING)
        logging.getLogger("urllib3").setLevel(logging.WARNING)


def plugin_class(schema: str) -> type[NotifyBase]:
    """The plugin of a schema that `read_url` gave."""
    kind: type[NotifyBase] = _KNOWN.get(schema.lower()) or _manager()[schema]
    return kind


def make_plugin(
    kind: type[NotifyBase], keywords: Mapping[str, Any], path: KeyPath = ()
) -> NotifyBase:
    """A plugin, ready to send; ChannelError where it can't be made or would drop something."""
    take_over_logs()
    settings = {**keywords, "asset": _asset(), "tag": set()}
    for overridden in ("retry", "wait", "redirect", "overflow"):
        settings.pop(overridden, None)
    with _listening(path) as warnings:
        try:
            plugin = kind(**settings)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            raise ChannelError(
                f"{kind.service_name}: {redact(str(error))}", "correct the value", path
            ) from None
    if warnings:
        raise ChannelError(f"{kind.service_name}: {'; '.join(warnings)}", "correct it", path)
    if not plugin.enabled:
        raise ChannelError(
            f"{kind.service_name} needs a package that is not installed",
            "install what its page in Apprise's wiki names",
            path,
        )
    plugin.retry, plugin.wait, plugin.redirects = 0, 0.0, False
    plugin.optional = False
    plugin.overflow_mode = OverflowMode.TRUNCATE
    if getattr(plugin, "use_blocks", False):
        # Slack refuses longer ones, and Apprise does not know.
        plugin.body_maxlen, plugin.title_maxlen = _SLACK_BLOCK_LENGTH, _SLACK_HEADER_LENGTH
    if isinstance(plugin, NotifyEmail):
        plugin.headers = {**MAIL_HEADERS, **plugin.headers}
    return plugin


@cache
def _asset() -> AppriseAsset:
    return AppriseAsset(
        app_id=APP_ID,
        app_desc=APP_ID,
        app_url="",
        # Logos would be fetched from a foreign site by whoever reads the alert.
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        interpret_emojis=False,
        interpret_escapes=False,
        service_timeout=0,
        pgp_autogen=False,
        pem_autogen=False,
        default_service_retry=0,
        default_service_wait=0.0,
    )


@contextlib.contextmanager
def _listening(path: KeyPath) -> Iterator[list[str]]:
    heard: list[str] = []
    token = _warnings.set(heard)
    try:
        yield heard
    except ChannelError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        raise ChannelError(
            f"Apprise can't read this ({type(error).__name__})", "correct it", path
        ) from None
    finally:
        _warnings.reset(token)


class SlackPlugin(NotifySlack):  # type: ignore[no-untyped-call]
    """Slack, with `icon_emoji` (`:rotating_light:`), which only older webhooks obey."""

    def __init__(self, icon_emoji: str = "", **keywords: Any) -> None:
        super().__init__(**keywords)  # type: ignore[no-untyped-call]
        self.icon_emoji = icon_emoji

    def _send(self, url: str, payload: dict[str, Any], *args: Any, **keywords: Any) -> Any:
        if self.icon_emoji:
            payload = {**payload, "icon_emoji": self.icon_emoji}
        return super()._send(url, payload, *args, **keywords)  # type: ignore[no-untyped-call]


# The plugin's own patterns; real ones have 32 digits.
_SID: Final = re.compile(r"AC[0-9a-fA-F]+")
_TOKEN: Final = re.compile(r"[A-Za-z0-9]+")


class TwilioPart(StrEnum):
    """What Twilio is spoken to with."""

    SID = "SID"
    TOKEN = "TOKEN"  # noqa: S105 - the name of a part
    FROM = "FROM"


@dataclass(frozen=True, slots=True)
class TwilioFault:
    """What is wrong with a part; the part's text is not repeated, since it may be a secret."""

    part: TwilioPart
    what: str
    remedy: str


def twilio_faults(
    sid: str, token: str, source: str, numbers: Sequence[str], *, is_call: bool = False
) -> Iterator[TwilioFault]:
    """What is wrong with an account's SID, its token, and a sender towards these numbers.

    A text that is empty is no fault here.
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


#: RFC 3834: no vacation responder answers such a mail.
MAIL_HEADERS: Final = {"Auto-Submitted": "auto-generated"}
_key: ContextVar[str] = ContextVar("channels_mail_key", default="")


@contextlib.contextmanager
def mail_key(key: str) -> Iterator[None]:
    """Let mails inside this block, in this thread, have a Message-ID made of `key`."""
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


def _with_key(make: Callable[..., str]) -> Callable[..., str]:
    def made(idstring: str | None = None, domain: str | None = None) -> str:
        key = _key.get()
        return f"<{key}@{domain}>" if key and domain else make(idstring, domain)

    return made


def _of_sender(prepare: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def prepared(**keywords: Any) -> Iterator[Any]:
        # Without a host, the plugin makes the Message-ID of the sender's domain.
        return prepare(**{**keywords, "smtp_host": ""})

    return prepared


NotifyEmail.prepare_emails = staticmethod(  # type: ignore[method-assign]
    _of_sender(NotifyEmail.prepare_emails)
)
vars(base)["make_msgid"] = _with_key(vars(base)["make_msgid"])

KeyPath = tuple[str | int, ...]
