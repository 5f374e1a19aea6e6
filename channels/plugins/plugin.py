"""Makes Apprise's plugins from keywords, with settings for alerts, and takes over their log.

Plugins of single services are corrected where alerts need it. `NotifyEmail` is Apprise's own class:
its Message-ID and its session with the server are replaced in place, see `mail_key` and
`MailSession`. `Urgency` gives a service the alert's priority, where the service has priorities of
its own.
"""

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

from channels.alert import Priority
from channels.plugins.recipients import is_sender_name
from channels.redact import redact
from channels.wire.mail_connections import MailServer, MailSession
from engine.errors import ChannelError

with warnings.catch_warnings():
    # Its PGP support imports `imghdr`, which Python 3.13 removed; it has a substitute.
    warnings.filterwarnings("ignore", message="'imghdr' is deprecated")
    from apprise.plugins.email import NotifyEmail, base

__all__ = ["NotifyEmail"]

APP_ID: Final = "Alert Engine"
#: RFC 3834: no vacation responder answers such a mail.
MAIL_HEADERS: Final = {"Auto-Submitted": "auto-generated"}
#: Gives all of Apprise's plugins, which it loads at the first use.
all_plugins: Final[Callable[[], Any]] = NotificationManager
KeyPath = tuple[str | int, ...]
"""Where a value stands in a channel's definition: the keys, and the places in lists."""

# The plugin of Twilio checks that the sender is a number.
_PLACEHOLDER_NUMBER: Final = "+15550000000"
# Twilio's SID and token as the plugin checks them; real ones have 32 digits.
_SID: Final = re.compile(r"AC[0-9a-fA-F]+")
_TOKEN: Final = re.compile(r"[A-Za-z0-9]+")

_SLACK_BLOCK_LENGTH: Final = 3_000
_SLACK_HEADER_LENGTH: Final = 150

_PRIORITY: Final = "priority"
#: Not Apprise's "low": Pushover and Gotify store such a message without notifying anybody.
_PRIORITY_NAMES: Final = {
    Priority.HIGH: "high",
    Priority.MEDIUM: "normal",
    Priority.LOW: "moderate",
}
#: P2, P3 and P4. The plugin's word "low" would be P1, the most urgent one.
_PRIORITY_NUMBERS: Final = {Priority.HIGH: "2", Priority.MEDIUM: "3", Priority.LOW: "4"}
#: What `priority=` is for each priority of an alert, by schema.
_PRIORITY_WORDS: Final[Mapping[str, Mapping[Priority, str]]] = {
    **dict.fromkeys(
        ("ntfy", "ntfys", "gotify", "gotifys", "pover", "prowl", "join"), _PRIORITY_NAMES
    ),
    "opsgenie": _PRIORITY_NUMBERS,
}

_mail_key: ContextVar[str] = ContextVar("channels_mail_key", default="")
_warnings: ContextVar[list[str] | None] = ContextVar("channels_apprise_warnings", default=None)
_lock: Final = threading.Lock()


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
    token = _mail_key.set(key)
    try:
        yield
    finally:
        _mail_key.reset(token)


def mail_server(plugin: NotifyBase) -> MailServer | None:
    """The mail server that the plugin sends to; None for a plugin of another service."""
    if not isinstance(plugin, NotifyEmail):
        return None
    return MailServer(
        plugin.smtp_host,
        int(plugin.port or 0),
        str(plugin.secure_mode),
        plugin.user,
        plugin.password,
        bool(plugin.verify_certificate),
    )


#: Plugins by schema that are used without loading all of Apprise's, which takes 17 MB.
PRELOADED: Final[Mapping[str, type[NotifyBase]]] = {
    "discord": DiscordPlugin,
    "mailto": NotifyEmail,
    "mailtos": NotifyEmail,
    "slack": NotifySlack,
    "twilio": TwilioPlugin,
}


def take_over_logs() -> None:
    """Keep tokens out of Apprise's log, and URLs out of urllib3's."""
    logger = logging.getLogger("apprise")
    with _lock:
        if not any(isinstance(handler, _AppriseHandler) for handler in logger.handlers):
            logger.handlers = [_AppriseHandler()]
            logger.addFilter(_SecretFilter())
        logger.propagate = False
        # Below this level, Apprise logs whole payloads.
        logger.setLevel(logging.WARNING)
        logging.getLogger("urllib3").setLevel(logging.WARNING)


def plugin_class(schema: str) -> type[NotifyBase]:
    """The plugin of a schema; raises KeyError for a schema that is none of Apprise's."""
    kind: type[NotifyBase] = PRELOADED.get(schema.lower()) or all_plugins()[schema]
    return kind


def make_plugin(
    kind: type[NotifyBase], keywords: Mapping[str, Any], path: KeyPath = ()
) -> NotifyBase:
    """A plugin, ready to send; it neither retries, sleeps, follows redirects nor splits a message.

    Raises ChannelError at `path` where it can't be made, or would drop some of the keywords.
    """
    take_over_logs()
    settings = {**keywords, "asset": _asset(), "tag": set()}
    for overridden in ("retry", "wait", "redirect", "overflow"):
        settings.pop(overridden, None)
    with collect_warnings(path) as warnings:
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
        # Slack refuses longer ones, which Apprise does not know.
        plugin.body_maxlen, plugin.title_maxlen = _SLACK_BLOCK_LENGTH, _SLACK_HEADER_LENGTH
    if isinstance(plugin, NotifyEmail):
        plugin.headers = {**MAIL_HEADERS, **plugin.headers}
    return plugin


@dataclass(frozen=True, slots=True)
class Urgency:
    """The value of a plugin's `priority` for each priority of an alert."""

    values: Mapping[Priority, object]

    def apply(self, plugin: NotifyBase, priority: Priority) -> None:
        """Set the plugin's priority for its next message."""
        vars(plugin)[_PRIORITY] = self.values[priority]


def urgency_of(
    kind: type[NotifyBase], keywords: Mapping[str, Any], path: KeyPath = ()
) -> Urgency | None:
    """The values of `priority` for a plugin with these keywords, as the plugin itself reads them.

    None where its service has no priorities, and where the URL sets one. Raises ChannelError where
    the plugin can't be made.
    """
    words = _PRIORITY_WORDS.get(str(keywords["schema"]).lower())
    if words is None or keywords.get(_PRIORITY):
        return None
    values = {
        priority: vars(make_plugin(kind, {**keywords, _PRIORITY: word}, path))[_PRIORITY]
        for priority, word in words.items()
    }
    return Urgency(values)


@contextlib.contextmanager
def collect_warnings(path: KeyPath) -> Iterator[list[str]]:
    """Collect the warnings that Apprise logs inside this block, in this thread.

    Raises ChannelError at `path` for any other exception inside.
    """
    collected: list[str] = []
    token = _warnings.set(collected)
    try:
        yield collected
    except ChannelError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        raise ChannelError(
            f"Apprise can't read this ({type(error).__name__})", "correct it", path
        ) from None
    finally:
        _warnings.reset(token)


class _SecretFilter(logging.Filter):
    """Masks secrets in a record, before any handler gets it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        record.exc_info = record.exc_text = None
        return True


class _AppriseHandler(logging.Handler):
    """Keeps what is logged inside `collect_warnings`; passes on all else at level DEBUG."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        collected = _warnings.get()
        if collected is None:
            # The outcome of a send says what happened.
            logging.getLogger("channels.apprise").debug(message)
        elif record.levelno <= logging.ERROR:
            collected.append(message)


def _with_mail_key(make: Callable[..., str]) -> Callable[..., str]:
    def made(idstring: str | None = None, domain: str | None = None) -> str:
        key = _mail_key.get()
        return f"<{key}@{domain}>" if key and domain else make(idstring, domain)

    return made


def _with_sender_domain(prepare: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def prepared(**keywords: Any) -> Iterator[Any]:
        # Without a host, the plugin takes the sender's domain for the Message-ID.
        return prepare(**{**keywords, "smtp_host": ""})

    return prepared


@cache
def _asset() -> AppriseAsset:
    return AppriseAsset(
        app_id=APP_ID,
        app_desc=APP_ID,
        app_url="",
        # The mail programs of readers would fetch logos from a foreign site.
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


NotifyEmail.prepare_emails = staticmethod(  # type: ignore[method-assign]
    _with_sender_domain(NotifyEmail.prepare_emails)
)
vars(base)["AppriseSMTPController"] = MailSession
vars(base)["make_msgid"] = _with_mail_key(vars(base)["make_msgid"])
