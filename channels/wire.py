"""What happened on the wire during a send, which Apprise does not tell.

The senders beneath Apprise, `requests.Session` and `smtplib.SMTP`, are wrapped once for the whole
process; outside of `capture` the wrappers do nothing. A capture belongs to its thread's context,
so sends in other threads never mix with it. Inside it a send has a deadline, an answer is read as
far as `READ_BYTES`, and `.netrc`, which is a person's and not the channel's, gives no login. HTTP
connections of a capture are kept alive in the adapter given to it: a new connection would parse
the CA bundle anew, some 40 ms each.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import re
import smtplib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from channels.deadline import DEFAULT_TIMEOUT_SECONDS, Deadline, within

BODY_BYTES: Final = 2_048
#: An answer longer than this is not read to its end; its connection is not used again.
READ_BYTES: Final = 65_536
#: What every way to write a text leaves as it is, JSON's and that of forms too.
_WORD: Final = re.compile("[A-Za-z0-9]{3,}")
#: RFC 5321, 4.5.3.2: a server may take minutes until it has taken a mail over.
MAIL_DATA_SECONDS: Final = 300.0
#: What becomes of a mail is known then; its conversation is only ended.
_QUIT_SECONDS: Final = 5.0
MAX_RETRY_AFTER_SECONDS: Final = 86_400.0
_VERBS: Final = frozenset({"ehlo", "helo", "starttls", "auth", "mail", "rcpt", "data"})
# What follows the message's own fate says nothing about it.
_AFTERWARDS: Final = frozenset({"quit", "rset"})


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The answer to one HTTP request; `body` is its beginning.

    `is_whole` is false where the answer's body was cut off, by the other side or by us;
    `has_message` is true where its request carried the message, and not only a login, say.
    """

    status: int
    host: str = ""
    body: bytes = b""
    retry_after_seconds: float | None = None
    is_whole: bool = True
    has_message: bool = False


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


class PauseError(Exception):
    """A plugin would sleep so many `seconds` before it sends, for its service has asked for it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the service asks for a pause of {seconds:.0f} s")
        self.seconds = min(seconds, MAX_RETRY_AFTER_SECONDS)


Evidence = HttpReply | SmtpReply | Failure


@dataclass(slots=True)
class Capture:
    """The evidence of one send, in order, the adapter of its HTTP requests, and its deadline.

    A request with `word` in it carries the message.
    """

    adapter: HTTPAdapter
    word: bytes
    deadline: Deadline
    evidence: list[Evidence] = field(default_factory=list)


_current: ContextVar[Capture | None] = ContextVar("channels_wire_capture", default=None)
_lock: Final = threading.Lock()
_installed = False


@contextlib.contextmanager
def capture(
    adapter: HTTPAdapter, seconds: float = DEFAULT_TIMEOUT_SECONDS, text: str = ""
) -> Iterator[list[Evidence]]:
    """Collect what the calls inside this block do on the wire, in this thread.

    All together they have so many seconds. A request with a word of `text` carries the message.
    """
    _install()
    word = max(_WORD.findall(text), key=len, default="").encode()
    with within(seconds) as deadline:
        captured = Capture(adapter, word, deadline)
        token = _current.set(captured)
        try:
            yield captured.evidence
        finally:
            _current.reset(token)


def ask_for_pause(seconds: float) -> NoReturn:
    """End the send, which may go on in so many seconds; raises PauseError."""
    error = PauseError(seconds)
    captured = _current.get()
    if captured is not None:
        # Apprise hides what a plugin raises.
        captured.evidence.append(Failure("plugin", error))
    raise error


def read_answer(response: requests.Response, word: bytes = b"") -> HttpReply:
    """The evidence of a response that was asked for as a stream, which is read here.

    The status has come, and it decides: what goes wrong with the body is no failure. The request
    carried the message where `word` is in it.
    """
    body, is_whole = bytearray(), False
    try:
        for chunk in response.iter_content(BODY_BYTES):
            body += chunk
            if len(body) >= READ_BYTES:
                break
        else:
            is_whole = True
    except (requests.RequestException, OSError):
        pass
    if not is_whole:
        response.close()
    # Plugins read the answer as requests gives it.
    response._content, response._content_consumed = bytes(body), True  # type: ignore[attr-defined]
    return HttpReply(
        response.status_code,
        urlsplit(response.url or "").hostname or "",
        bytes(body[:BODY_BYTES]),
        retry_after_seconds(response.headers.get("Retry-After"), time.time()),
        is_whole,
        _has_word(response.request, word),
    )


def _has_word(request: requests.PreparedRequest, word: bytes) -> bool:
    body = request.body or b""
    sent = body.encode() if isinstance(body, str) else body
    return bool(word) and word in sent + (request.url or "").encode()


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
        _wrap_http()
        _wrap_requests()
        _wrap_smtplib()


def _wrap_http() -> None:
    kind: Any = http.client.HTTPResponse
    read_status: Callable[..., tuple[str, int, str]] = kind._read_status

    def final_status(self: http.client.HTTPResponse) -> tuple[str, int, str]:
        """The status of the answer itself: others of 1xx may come before it (RFC 9110, 15.2)."""
        found = read_status(self)
        while 100 < found[1] < 200 and found[1] != http.client.SWITCHING_PROTOCOLS:
            http.client.parse_headers(self.fp)
            found = read_status(self)
        return found

    kind._read_status = final_status


def _wrap_requests() -> None:
    send: Callable[..., requests.Response] = requests.Session.send
    get_adapter: Callable[..., Any] = requests.Session.get_adapter

    def watched_send(self: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
        captured = _current.get()
        if captured is None:
            return send(self, *args, **kwargs)
        try:
            # Else requests would read the answer to an end that may never come.
            response = send(self, *args, **{**kwargs, "stream": True})
        except Exception as error:
            captured.evidence.append(Failure("http", error))
            raise
        captured.evidence.append(read_answer(response, captured.word))
        return response

    def kept_adapter(self: requests.Session, *args: Any, **kwargs: Any) -> Any:
        adapter = get_adapter(self, *args, **kwargs)
        captured = _current.get()
        # A plugin that mounted an adapter of its own has its reasons.
        if captured is None or type(adapter) is not HTTPAdapter:
            return adapter
        return captured.adapter

    login_of: Callable[..., Any] = requests.sessions.get_netrc_auth

    def no_login(*args: Any, **kwargs: Any) -> Any:
        return login_of(*args, **kwargs) if _current.get() is None else None

    requests.sessions.get_netrc_auth = no_login
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

    data = smtplib.SMTP.data

    def patient_data(self: smtplib.SMTP, msg: Any) -> tuple[int, bytes]:
        captured, line = _current.get(), self.sock
        if captured is None or line is None:
            return data(self, msg)
        captured.deadline.extend(MAIL_DATA_SECONDS)
        seconds = line.gettimeout()
        line.settimeout(MAIL_DATA_SECONDS)
        try:
            return data(self, msg)
        finally:
            captured.deadline.shorten(_QUIT_SECONDS)
            with contextlib.suppress(OSError):
                line.settimeout(seconds)

    smtplib.SMTP.data = patient_data  # type: ignore[method-assign]
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
