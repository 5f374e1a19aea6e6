"""Collects what happens on the network during a send: answers, replies and exceptions.

Apprise returns no more than success or failure. So `requests` and `smtplib.SMTP`, which it sends
with, are wrapped once for the whole process; outside of `capture` the wrappers do nothing. A
capture belongs to its thread's context, so that sends in other threads never mix with it.

Inside `capture`:
- The send has a deadline, and an answer is read up to `READ_BYTES`.
- `.netrc` gives no login: it belongs to a person, not to the channel.
- No plugin sleeps: a pause that its service asks for ends the send with `PauseError`.
- HTTP connections are kept alive in the given adapter: a new one would parse the CA bundle again,
  which takes some 40 ms. For mail `mail_connections` does that.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import re
import smtplib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import requests
from apprise import URLBase
from requests.adapters import HTTPAdapter

from channels.wire.deadline import (
    DEFAULT_TIMEOUT_SECONDS,
    OWN_NAME_SECONDS,
    Deadline,
    RecordedLines,
    once,
    own_host_name,
    within,
)

#: So much of an answer is kept as evidence.
BODY_BYTES: Final = 2_048
#: What is beyond in an answer is not read, and the connection is closed.
READ_BYTES: Final = 65_536
#: A word that is the same in every encoding of a text: as it is, in JSON, in a form.
_WORD: Final = re.compile("[A-Za-z0-9]{3,}")
#: So much of a message is in what is sent, even where a service takes short ones only.
_SENT_LENGTH: Final = 60
#: RFC 5321, 4.5.3.2: a server may take minutes until it has taken a mail over.
MAIL_DATA_SECONDS: Final = 300.0
#: How long the end of the conversation may take, once the reply to the mail is known.
_QUIT_SECONDS: Final = 5.0
MAX_RETRY_AFTER_SECONDS: Final = 86_400.0
#: Statuses with which the body may say how long to wait: some services report errors with 200.
_WAIT_STATUSES: Final = frozenset({200, 429, 503})
_RESET_HEADER: Final = "X-RateLimit-Reset-After"
#: Where in a JSON body services say how long to wait, and the unit in seconds.
_WAIT_KEYS: Final = (
    (("retry_after",), 1.0),
    (("parameters", "retry_after"), 1.0),
    (("retry_after_ms",), 0.001),
    (("error", "retry_after_ms"), 0.001),
)
_VERBS: Final = frozenset({"ehlo", "helo", "starttls", "auth", "mail", "rcpt", "data"})
# They come after the reply to the mail, and say nothing about it.
_CLOSING_VERBS: Final = frozenset({"quit", "rset"})
_GREETING_VERBS: Final = frozenset({"ehlo", "helo"})
_REPLY_LINE: Final = re.compile(rb"([245]\d\d)[ -](.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The answer to one HTTP request; `body` is its first `BODY_BYTES`.

    `is_whole` is false where the body was cut off, by the server or by us. `has_message` is true
    where the request had the message in it, and false for a login, say.
    """

    status: int
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
    """An exception instead of an answer; `stage` is `http` or the SMTP step.

    `has_message` is true where the whole message had been sent before: only the answer is missing.
    """

    stage: str
    error: BaseException
    has_message: bool = False


class PauseError(Exception):
    """A plugin would sleep for `seconds` before it sends, since its service has asked for that."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the service asks for a pause of {seconds:.0f} s")
        self.seconds = min(seconds, MAX_RETRY_AFTER_SECONDS)


Evidence = HttpReply | SmtpReply | Failure


@dataclass(slots=True)
class Capture:
    """The evidence of one send in order, with the adapter of its HTTP requests and its deadline.

    A request with `word` in it has the message.
    """

    adapter: HTTPAdapter
    word: bytes
    deadline: Deadline
    evidence: list[Evidence] = field(default_factory=list)


_current: ContextVar[Capture | None] = ContextVar("channels_wire_capture", default=None)


@contextlib.contextmanager
def capture(
    adapter: HTTPAdapter,
    seconds: float = DEFAULT_TIMEOUT_SECONDS,
    text: str = "",
    *,
    allow_link_local: bool = False,
) -> Iterator[list[Evidence]]:
    """Collect the evidence of the calls inside this block, in this thread.

    They have `seconds` altogether, and connect as `within` lets them. `text` is the message's, by
    which its request is recognized.
    """
    _install()
    words = _WORD.findall(text[:_SENT_LENGTH]) or _WORD.findall(text)
    word = max(words, key=len, default="").encode()
    with within(seconds, allow_link_local=allow_link_local) as deadline:
        captured = Capture(adapter, word, deadline)
        token = _current.set(captured)
        try:
            yield captured.evidence
            if deadline.refused is not None and not captured.evidence:
                captured.evidence.append(Failure("plugin", deadline.refused))
        finally:
            _current.reset(token)


def current_evidence() -> list[Evidence]:
    """The evidence of the capture around this call; outside of any, a list for nobody."""
    captured = _current.get()
    return [] if captured is None else captured.evidence


def is_mail_input_started(evidence: Sequence[Evidence]) -> bool:
    """Whether the server has said 354: the mail is sent then, and the next reply is about it."""
    last = evidence[-1] if evidence else None
    return isinstance(last, SmtpReply) and (last.verb, last.code) == ("data", 354)


def read_answer(response: requests.Response, word: bytes = b"") -> HttpReply:
    """Read a response that was requested as a stream, and return its evidence.

    The status is known already, and it decides: an error while reading the body is no failure.
    A request that has `word` in it has the message.
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
        bytes(body[:BODY_BYTES]),
        _asked_wait(response, bytes(body)),
        is_whole,
        _has_word(response.request, word),
    )


def _has_word(request: requests.PreparedRequest, word: bytes) -> bool:
    body = request.body or b""
    sent = body.encode() if isinstance(body, str) else body
    return bool(word) and word in sent + (request.url or "").encode()


def retry_after_seconds(header: str | None, now: float) -> float | None:
    """The seconds that a Retry-After header asks to wait; it has seconds or an HTTP date.

    None without a header and for one that can't be read; never negative, and at most a day. `now`
    is in seconds since the epoch.
    """
    if header is None:
        return None
    text = header.strip()
    try:
        seconds = float(text) if text[:1].isdigit() else _seconds_until(text, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def body_wait_seconds(body: bytes) -> float | None:
    """The seconds that a JSON body asks to wait, as those of Discord, Telegram and Matrix do.

    None where it asks for nothing; never negative, and at most a day.
    """
    document = json_object(body)
    for path, unit in _WAIT_KEYS:
        found: object = document
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, (int, float)) and not isinstance(found, bool) and found >= 0:
            return min(found * unit, MAX_RETRY_AFTER_SECONDS)
    return None


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object that a body is; empty for any other body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _asked_wait(response: requests.Response, body: bytes) -> float | None:
    now, status = time.time(), response.status_code
    wait = retry_after_seconds(response.headers.get("Retry-After"), now)
    if wait is None and status in _WAIT_STATUSES:
        wait = body_wait_seconds(body)
        if wait is None and status != 200:
            wait = retry_after_seconds(response.headers.get(_RESET_HEADER), now)
    return wait


def _seconds_until(date: str, now: float) -> float:
    return email.utils.parsedate_to_datetime(date).timestamp() - now


@once
def _install() -> None:
    _wrap_plugins()
    _wrap_requests()
    _wrap_smtplib()


def _wrap_plugins() -> None:
    throttle: Callable[..., None] = URLBase.throttle

    def raise_for_pause(
        self: URLBase, last_io: datetime | None = None, wait: float | None = None
    ) -> None:
        """Raise PauseError where a plugin would sleep for its service, as Discord's does.

        Pauses between sends are not the plugin's: the target has a rate limit.
        """
        captured = _current.get()
        if captured is None:
            throttle(self, last_io, wait)
        elif wait is not None and wait > 0.0:
            error = PauseError(wait)
            # Apprise swallows what a plugin raises.
            captured.evidence.append(Failure("plugin", error))
            raise error

    URLBase.throttle = raise_for_pause  # type: ignore[method-assign]


def _wrap_requests() -> None:
    send: Callable[..., requests.Response] = requests.Session.send
    deliver: Callable[..., requests.Response] = HTTPAdapter.send
    get_adapter: Callable[..., Any] = requests.Session.get_adapter
    login_of: Callable[..., Any] = requests.sessions.get_netrc_auth

    def recording_send(
        self: requests.Session, request: requests.PreparedRequest, **kwargs: Any
    ) -> requests.Response:
        captured = _current.get()
        if captured is None:
            return send(self, request, **kwargs)
        captured.deadline.is_request_sent = False
        try:
            return send(self, request, **kwargs)
        except Exception as error:
            # Without a word to know it by, any request may have had the message.
            has_message = captured.deadline.is_request_sent and (
                not captured.word or _has_word(request, captured.word)
            )
            captured.evidence.append(Failure("http", error, has_message))
            raise

    def recording_deliver(self: HTTPAdapter, *args: Any, **kwargs: Any) -> requests.Response:
        response = deliver(self, *args, **kwargs)
        captured = _current.get()
        if captured is not None:
            # Otherwise the session would read all of it, even of a redirect, and even as a stream.
            captured.evidence.append(read_answer(response, captured.word))
        return response

    def kept_adapter(self: requests.Session, *args: Any, **kwargs: Any) -> Any:
        adapter = get_adapter(self, *args, **kwargs)
        captured = _current.get()
        # A plugin may have mounted an adapter of its own, which stays.
        if captured is None or type(adapter) is not HTTPAdapter:
            return adapter
        return captured.adapter

    def no_login(*args: Any, **kwargs: Any) -> Any:
        return login_of(*args, **kwargs) if _current.get() is None else None

    requests.sessions.get_netrc_auth = no_login
    HTTPAdapter.send = recording_deliver  # type: ignore[method-assign]
    requests.Session.send = recording_send  # type: ignore[method-assign]
    requests.Session.get_adapter = kept_adapter  # type: ignore[method-assign]


def _wrap_smtplib() -> None:
    start: Callable[..., None] = smtplib.SMTP.__init__
    getreply = smtplib.SMTP.getreply
    putcmd = smtplib.SMTP.putcmd
    data = smtplib.SMTP.data

    def start_without_name(
        self: smtplib.SMTP,
        host: str = "",
        port: int = 0,
        local_hostname: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if _current.get() is not None and local_hostname is None:
            # smtplib would look up our own name without a time limit.
            local_hostname = ""
        start(self, host, port, local_hostname, *args, **kwargs)

    def recording_putcmd(self: smtplib.SMTP, cmd: str, args: str = "") -> None:
        verb = cmd.partition(" ")[0].lower()
        # Anything else continues AUTH, and has the password in it.
        if verb in _VERBS or verb in _CLOSING_VERBS:
            self._channels_verb = verb  # type: ignore[attr-defined]
        captured = _current.get()
        if verb in _GREETING_VERBS and not args and captured is not None:
            args = _own_name(self.sock, captured.deadline)
        putcmd(self, cmd, args)

    def recording_getreply(self: Any) -> tuple[int, bytes]:
        captured = _current.get()
        verb = getattr(self, "_channels_verb", "connect")
        if captured is None or verb in _CLOSING_VERBS:
            return getreply(self)
        answers_mail = is_mail_input_started(captured.evidence)
        # The reply is read once the mail is written to its end.
        self._channels_is_mail_sent = answers_mail

        def on_line(line: bytes) -> None:
            if answers_mail:
                captured.deadline.shorten(_QUIT_SECONDS)

        recorded = self.file = RecordedLines(self.file or self.sock.makefile("rb"), on_line)
        failure: Exception | None = None
        try:
            code, text = getreply(self)
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException) as error:
            code, text, failure = -1, b"", error
        finally:
            if self.file is recorded:
                self.file = recorded.file
        if code == -1:
            cut_code, cut_text = _cut_reply(recorded.lines)
            if cut_code >= 400 or (answers_mail and cut_code > 0):
                code, text, failure = cut_code, cut_text, None
                # The errors that follow from it are no evidence.
                self._channels_is_over = True
                # Where one reply has no end, the next has no beginning.
                self.close()
        if failure is not None:
            raise failure
        captured.evidence.append(SmtpReply(verb, code, text.decode("utf-8", "replace")))
        if is_mail_input_started(captured.evidence):
            captured.deadline.extend(MAIL_DATA_SECONDS)
            self.sock.settimeout(MAIL_DATA_SECONDS)
        return code, text

    def timed_data(self: smtplib.SMTP, msg: Any) -> tuple[int, bytes]:
        captured, connection = _current.get(), self.sock
        if captured is None or connection is None:
            return data(self, msg)
        seconds = connection.gettimeout()
        try:
            return data(self, msg)
        finally:
            captured.deadline.shorten(_QUIT_SECONDS)
            with contextlib.suppress(OSError):
                connection.settimeout(seconds)

    smtplib.SMTP.__init__ = start_without_name  # type: ignore[method-assign]
    smtplib.SMTP.data = timed_data  # type: ignore[method-assign]
    smtplib.SMTP.putcmd = recording_putcmd  # type: ignore[method-assign]
    smtplib.SMTP.getreply = recording_getreply  # type: ignore[method-assign]
    for stage in ("connect", "starttls", "login", "sendmail"):
        setattr(smtplib.SMTP, stage, _recording_step(stage, getattr(smtplib.SMTP, stage)))


def _recording_step(stage: str, step: Callable[..., Any]) -> Callable[..., Any]:
    def recording(self: smtplib.SMTP, *args: Any, **kwargs: Any) -> Any:
        try:
            return step(self, *args, **kwargs)
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused):
            # The reply that caused it is evidence already.
            raise
        except Exception as error:
            captured = _current.get()
            if captured is not None and not getattr(self, "_channels_is_over", False):
                is_unanswered = is_mail_input_started(captured.evidence)
                is_mail_sent = getattr(self, "_channels_is_mail_sent", False)
                captured.evidence.append(Failure(stage, error, is_unanswered and is_mail_sent))
            raise

    return recording


def _cut_reply(lines: Sequence[bytes]) -> tuple[int, bytes]:
    """The code and text in the lines of a reply that broke off; the code is -1 where none came."""
    code, texts = -1, []
    for found in filter(None, map(_REPLY_LINE.match, lines)):
        code = int(found[1])
        texts.append(found[2].strip())
    return code, b"\n".join(texts)


def _own_name(connection: socket.socket | None, deadline: Deadline) -> str:
    """The name that we give in EHLO: our host's name, or else our address (RFC 5321, 4.1.3)."""
    name = own_host_name(min(OWN_NAME_SECONDS, deadline.left_seconds()))
    if name or connection is None:
        return name
    address = str(connection.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if connection.family == socket.AF_INET6 else f"[{address}]"
