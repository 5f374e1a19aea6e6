"""What happened on the wire during a send, which Apprise does not tell.

The senders beneath Apprise, `requests.Session` and `smtplib.SMTP`, are wrapped once for the whole
process; outside of `capture` the wrappers do nothing. A capture belongs to its thread's context,
so sends in other threads never mix with it. HTTP connections of a capture are kept alive in the
adapter given to it: a new connection would parse the CA bundle anew, some 40 ms each.
"""

from __future__ import annotations

import contextlib
import email.utils
import smtplib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

BODY_BYTES: Final = 2_048
MAX_RETRY_AFTER_SECONDS: Final = 86_400.0
_VERBS: Final = frozenset({"ehlo", "helo", "starttls", "auth", "mail", "rcpt", "data"})
# What follows the message's own fate says nothing about it.
_AFTERWARDS: Final = frozenset({"quit", "rset"})


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The answer to one HTTP request; `body` is its beginning."""

    status: int
    host: str = ""
    body: bytes = b""
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """The answer to one SMTP command; the server's greeting answers `connect`."""

    verb: str
    code: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception instead of an answer; `stage` is `http` or the SMTP step."""

    stage: str
    error: BaseException


Evidence = HttpReply | SmtpReply | Failure


@dataclass(slots=True)
class Capture:
    """The evidence of one send, in order, and the adapter that its HTTP requests use."""

    adapter: HTTPAdapter
    evidence: list[Evidence] = field(default_factory=list)


_current: ContextVar[Capture | None] = ContextVar("channels_wire_capture", default=None)
_lock: Final = threading.Lock()
_installed = False


@contextlib.contextmanager
def capture(adapter: HTTPAdapter) -> Iterator[list[Evidence]]:
    """Collect what the calls inside this block do on the wire, in this thread."""
    _install()
    captured = Capture(adapter)
    token = _current.set(captured)
    try:
        yield captured.evidence
    finally:
        _current.reset(token)


def http_reply(response: requests.Response, body: bytes, now: float) -> HttpReply:
    """The evidence of a response; `now` is the wall clock in seconds since the epoch."""
    return HttpReply(
        response.status_code,
        urlsplit(response.url or "").hostname or "",
        body[:BODY_BYTES],
        retry_after_seconds(response.headers.get("Retry-After"), now),
    )


def retry_after_seconds(header: str | None, now: float) -> float | None:
    """What a Retry-After header asks to wait, given as seconds or as an HTTP date.

    None for none and for nonsense; never negative, at most a day.
    """
    if header is None:
        return None
    text = header.strip()
    try:
        seconds = float(text) if text[:1].isdigit() else _until(text, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _until(date: str, now: float) -> float:
    return email.utils.parsedate_to_datetime(date).timestamp() - now


def _install() -> None:
    global _installed
    with _lock:
        if _installed:
            return
        _installed = True
        _wrap_requests()
        _wrap_smtplib()


def _wrap_requests() -> None:
    send: Callable[..., requests.Response] = requests.Session.send
    get_adapter: Callable[..., Any] = requests.Session.get_adapter

    def watched_send(self: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
        captured = _current.get()
        if captured is None:
            return send(self, *args, **kwargs)
        try:
            response = send(self, *args, **kwargs)
        except Exception as error:
            captured.evidence.append(Failure("http", error))
            raise
        body = b"" if kwargs.get("stream") else response.content or b""
        captured.evidence.append(http_reply(response, body, time.time()))
        return response

    def kept_adapter(self: requests.Session, *args: Any, **kwargs: Any) -> Any:
        adapter = get_adapter(self, *args, **kwargs)
        captured = _current.get()
        # A plugin that mounted an adapter of its own has its reasons.
        if captured is None or type(adapter) is not HTTPAdapter:
            return adapter
        return captured.adapter

    requests.Session.send = watched_send  # type: ignore[method-assign]
    requests.Session.get_adapter = kept_adapter  # type: ignore[method-assign]


def _wrap_smtplib() -> None:
    getreply = smtplib.SMTP.getreply
    putcmd = smtplib.SMTP.putcmd

    def watched_putcmd(self: smtplib.SMTP, cmd: str, args: str = "") -> None:
        verb = cmd.partition(" ")[0].lower()
        # Anything else is the continuation of AUTH, and holds the password.
        if verb in _VERBS or verb in _AFTERWARDS:
            self._channels_verb = verb  # type: ignore[attr-defined]
        putcmd(self, cmd, args)

    def watched_getreply(self: smtplib.SMTP) -> tuple[int, bytes]:
        code, text = getreply(self)
        captured = _current.get()
        verb = getattr(self, "_channels_verb", "connect")
        if captured is not None and verb not in _AFTERWARDS:
            captured.evidence.append(SmtpReply(verb, code, text.decode("utf-8", "replace")))
        return code, text

    smtplib.SMTP.putcmd = watched_putcmd  # type: ignore[method-assign]
    smtplib.SMTP.getreply = watched_getreply  # type: ignore[method-assign]
    for stage in ("connect", "starttls", "login", "sendmail"):
        setattr(smtplib.SMTP, stage, _watched_step(stage, getattr(smtplib.SMTP, stage)))


def _watched_step(stage: str, step: Callable[..., Any]) -> Callable[..., Any]:
    def watched(self: smtplib.SMTP, *args: Any, **kwargs: Any) -> Any:
        try:
            return step(self, *args, **kwargs)
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused):
            # The reply that it stands for is evidence already.
            raise
        except Exception as error:
            captured = _current.get()
            if captured is not None:
                captured.evidence.append(Failure(stage, error))
            raise

    return watched
