"""What happened on the wire during a send, which Apprise does not tell.

The senders beneath Apprise, those of `requests` and `smtplib.SMTP`, are wrapped once for the whole
process; outside of `capture` the wrappers do nothing. A capture belongs to its thread's context,
so sends in other threads never mix with it. Inside it a send has a deadline, an answer is read as
far as `READ_BYTES`, `.netrc`, which is a person's and not the channel's, gives no login, and no
plugin sleeps. HTTP connections of a capture are kept alive in the adapter given to it: a new
connection would parse the CA bundle anew, some 40 ms each.
"""

from __future__ import annotations

import contextlib
import email.utils
import re
import smtplib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from apprise import URLBase
from requests.adapters import HTTPAdapter

from channels.wire.cut_answers import RecordedLines
from channels.wire.deadline import (
    DEFAULT_TIMEOUT_SECONDS,
    OWN_NAME_SECONDS,
    Deadline,
    once,
    own_host_name,
    within,
)

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
_GREETINGS: Final = frozenset({"ehlo", "helo"})
_REPLY_LINE: Final = re.compile(rb"([245]\d\d)[ -](.*)", re.DOTALL)


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


def is_mail_input_started(evidence: Sequence[Evidence]) -> bool:
    """Whether the mail server's next reply is that to the mail, and not to a command before it."""
    last = evidence[-1] if evidence else None
    return isinstance(last, SmtpReply) and (last.verb, last.code) == ("data", 354)


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


@once
def _install() -> None:
    _wrap_plugins()
    _wrap_requests()
    _wrap_smtplib()


def _wrap_plugins() -> None:
    throttle: Callable[..., None] = URLBase.throttle

    def ask_for_pause(
        self: URLBase, last_io: datetime | None = None, wait: float | None = None
    ) -> None:
        """Where a plugin would sleep: end the send, which may go on after so many seconds.

        Only a service asks for that, as Discord does until its window opens. Between sends, the
        pace is ours.
        """
        captured = _current.get()
        if captured is None:
            throttle(self, last_io, wait)
        elif wait is not None and wait > 0.0:
            error = PauseError(wait)
            # Apprise hides what a plugin raises.
            captured.evidence.append(Failure("plugin", error))
            raise error

    URLBase.throttle = ask_for_pause  # type: ignore[method-assign]


def _wrap_requests() -> None:
    send: Callable[..., requests.Response] = requests.Session.send
    deliver: Callable[..., requests.Response] = HTTPAdapter.send
    get_adapter: Callable[..., Any] = requests.Session.get_adapter

    def watched_send(self: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            return send(self, *args, **kwargs)
        except Exception as error:
            captured = _current.get()
            if captured is not None:
                captured.evidence.append(Failure("http", error))
            raise

    def read_delivery(self: HTTPAdapter, *args: Any, **kwargs: Any) -> requests.Response:
        response = deliver(self, *args, **kwargs)
        captured = _current.get()
        if captured is not None:
            # The session would read it to its end, a redirect's even where a stream is asked for.
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
    HTTPAdapter.send = read_delivery  # type: ignore[method-assign]
    requests.Session.send = watched_send  # type: ignore[method-assign]
    requests.Session.get_adapter = kept_adapter  # type: ignore[method-assign]


def _wrap_smtplib() -> None:
    start: Callable[..., None] = smtplib.SMTP.__init__
    getreply = smtplib.SMTP.getreply
    putcmd = smtplib.SMTP.putcmd

    def unnamed_start(
        self: smtplib.SMTP,
        host: str = "",
        port: int = 0,
        local_hostname: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if _current.get() is not None and local_hostname is None:
            # smtplib would look up our own name, for as long as that takes.
            local_hostname = ""
        start(self, host, port, local_hostname, *args, **kwargs)

    def watched_putcmd(self: smtplib.SMTP, cmd: str, args: str = "") -> None:
        verb = cmd.partition(" ")[0].lower()
        # Anything else is the continuation of AUTH, and holds the password.
        if verb in _VERBS or verb in _AFTERWARDS:
            self._channels_verb = verb  # type: ignore[attr-defined]
        captured = _current.get()
        if verb in _GREETINGS and not args and captured is not None:
            args = _own_name(self.sock, captured.deadline)
        putcmd(self, cmd, args)

    def watched_getreply(self: Any) -> tuple[int, bytes]:
        captured = _current.get()
        verb = getattr(self, "_channels_verb", "connect")
        if captured is None or verb in _AFTERWARDS:
            return getreply(self)
        decides = is_mail_input_started(captured.evidence)

        def listen(line: bytes) -> None:
            if decides:
                # What becomes of the mail is known.
                captured.deadline.shorten(_QUIT_SECONDS)

        heard = self.file = RecordedLines(self.file or self.sock.makefile("rb"), listen)
        failure: Exception | None = None
        try:
            code, text = getreply(self)
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException) as error:
            code, text, failure = -1, b"", error
        finally:
            if self.file is heard:
                self.file = heard.file
        if code == -1:
            cut_code, cut_text = _cut_reply(heard.lines)
            if cut_code >= 400 or (decides and cut_code > 0):
                code, text, failure = cut_code, cut_text, None
                # Nothing that follows tells more.
                self._channels_is_over = True
        if failure is not None:
            raise failure
        captured.evidence.append(SmtpReply(verb, code, text.decode("utf-8", "replace")))
        if is_mail_input_started(captured.evidence):
            captured.deadline.extend(MAIL_DATA_SECONDS)
            self.sock.settimeout(MAIL_DATA_SECONDS)
        return code, text

    data = smtplib.SMTP.data

    def timed_data(self: smtplib.SMTP, msg: Any) -> tuple[int, bytes]:
        captured, line = _current.get(), self.sock
        if captured is None or line is None:
            return data(self, msg)
        seconds = line.gettimeout()
        try:
            return data(self, msg)
        finally:
            captured.deadline.shorten(_QUIT_SECONDS)
            with contextlib.suppress(OSError):
                line.settimeout(seconds)

    smtplib.SMTP.__init__ = unnamed_start  # type: ignore[method-assign]
    smtplib.SMTP.data = timed_data  # type: ignore[method-assign]
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
            if captured is not None and not getattr(self, "_channels_is_over", False):
                captured.evidence.append(Failure(stage, error))
            raise

    return watched


def _cut_reply(lines: Sequence[bytes]) -> tuple[int, bytes]:
    """Code and text of a reply's lines that came before it broke off; -1 where there is no code."""
    code, texts = -1, []
    for found in filter(None, map(_REPLY_LINE.match, lines)):
        code = int(found[1])
        texts.append(found[2].strip())
    return code, b"\n".join(texts)


def _own_name(connection: socket.socket | None, deadline: Deadline) -> str:
    """What we call ourselves towards a mail server: our name, or else our address (RFC 5321)."""
    name = own_host_name(min(OWN_NAME_SECONDS, deadline.left_seconds()))
    if name or connection is None:
        return name
    address = str(connection.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if connection.family == socket.AF_INET6 else f"[{address}]"
