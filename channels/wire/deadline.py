"""Bounds what a send may take and receive, and to which addresses it may connect.

`within` sets a time limit over a whole send, name look-ups included. The blocking calls of sockets,
the look-ups of names, the writing of HTTP requests and the reading of answers are wrapped once for
the whole process. Outside of `within` the wrappers do nothing. The wrapper of `connect` also checks
the address, see `channels.wire.link_local`, and the status of an answer that breaks off is kept.
"""

from __future__ import annotations

import contextlib
import copy
import email
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from typing import Any, BinaryIO, Final

from urllib3.connection import HTTPConnection

from channels.wire.link_local import LinkLocalError, checked

DEFAULT_TIMEOUT_SECONDS: Final = 30.0
#: A host may have several addresses, of which the first one takes no connection.
CONNECT_SECONDS: Final = 10.0
#: How long an unused connection is kept.
KEEP_SECONDS: Final = 30.0
#: The most bytes that one send may receive; an answer with its headers has less.
MAX_RECEIVED_BYTES: Final = 1_048_576
#: A mail can be sent without our own name, so nothing waits longer for it.
OWN_NAME_SECONDS: Final = 2.0
_WAITS: Final = ("connect", "send", "sendall")
_READS: Final = ("recv", "recv_into")
#: Their last argument is an address.
_ADDRESSED: Final = ("connect", "connect_ex", "sendto")
_LOOK_UPS: Final = ("getaddrinfo", "gethostbyaddr", "gethostbyname", "gethostbyname_ex")
#: They describe a body that is not read.
_BODY_HEADERS: Final = ("Content-Length", "Content-Encoding", "Transfer-Encoding")

_current: ContextVar[Deadline | None] = ContextVar("channels_deadline", default=None)
_lock: Final = threading.Lock()
_running: Final[dict[Hashable, NameLookUp]] = {}
_own_name = ""


class OutOfTimeError(TimeoutError):
    """The time of the send is over."""


class EndlessAnswerError(ConnectionError):
    """The server sends more than `MAX_RECEIVED_BYTES`."""


class Deadline:
    """When a send must have ended, by the monotonic clock, and how far it has come.

    `is_request_sent` is true from the end of the last HTTP request, whole with its body, to the
    beginning of the next one. Unless `allow_link_local`, it connects to no such address, and
    `refused` is what was raised instead, whoever has swallowed it.
    """

    __slots__ = ("_ends_at", "_received", "allow_link_local", "is_request_sent", "refused")

    def __init__(self, seconds: float, *, allow_link_local: bool = False) -> None:
        self.allow_link_local = allow_link_local
        self.refused: LinkLocalError | None = None
        self._ends_at = time.monotonic() + seconds
        self._received = 0
        self.is_request_sent = False

    def left_seconds(self) -> float:
        """How long the send may still take; raises OutOfTimeError where no time is left."""
        left = self._ends_at - time.monotonic()
        if left <= 0.0:
            raise OutOfTimeError("no answer in time")
        return left

    def extend(self, seconds: float) -> None:
        """Allow the send at least `seconds` from now."""
        self._ends_at = max(self._ends_at, time.monotonic() + seconds)

    def shorten(self, seconds: float) -> None:
        """Allow the send at most `seconds` from now."""
        self._ends_at = min(self._ends_at, time.monotonic() + seconds)

    def count_received(self, count: int) -> None:
        """Add received bytes; raises EndlessAnswerError beyond `MAX_RECEIVED_BYTES`."""
        self._received += count
        if self._received > MAX_RECEIVED_BYTES:
            raise EndlessAnswerError("the answer does not end")


def once(work: Callable[[], None]) -> Callable[[], None]:
    """A function that calls `work` at its first call, and never again, whatever thread calls it."""
    lock, calls = threading.Lock(), [work]

    def first() -> None:
        with lock:
            if calls:
                calls.pop()()

    return first


@contextlib.contextmanager
def within(seconds: float, *, allow_link_local: bool = False) -> Iterator[Deadline]:
    """Bound all that sockets do inside this block, in this thread, to `seconds` altogether.

    To connect to a link-local or metadata address raises LinkLocalError, unless it is allowed.
    """
    _install()
    deadline = Deadline(seconds, allow_link_local=allow_link_local)
    token = _current.set(deadline)
    try:
        yield deadline
    finally:
        _current.reset(token)


def is_stale(used_at: float) -> bool:
    """Whether a connection was unused for too long, since `used_at` by the monotonic clock.

    A firewall may have forgotten it: a message would be written whole, and nobody would answer.
    """
    return time.monotonic() - used_at > KEEP_SECONDS


class NameLookUp:
    """A look-up that runs in its own thread; `started_at` is by the monotonic clock."""

    def __init__(self) -> None:
        self.started_at: Final = time.monotonic()
        self._done = threading.Event()
        self._found: Any = None
        self._error: BaseException | None = None

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after waiting for at most `seconds`."""
        return self._done.wait(seconds)

    def result(self) -> Any:
        """What the look-up returned, or raises what it raised; only after it has ended."""
        if self._error is not None:
            # Several callers raise it, each with a traceback of its own.
            raise copy.copy(self._error)
        return self._found

    def work(self, key: Hashable, look_up: Callable[[], Any]) -> None:
        """Call `look_up` in this thread, and keep what it returns or raises."""
        try:
            self._found = look_up()
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._error = error
        with _lock:
            del _running[key]
        self._done.set()


def shared_look_up(look_up: Callable[..., Any], *args: Any, **kwargs: Any) -> NameLookUp:
    """A running `look_up(*args, **kwargs)`: the one that was started already, or a new one."""
    key = (look_up, args, tuple(sorted(kwargs.items())))
    with _lock:
        running = _running.get(key)
        if running is None:
            running = NameLookUp()
            threading.Thread(
                target=running.work,
                args=(key, lambda: look_up(*args, **kwargs)),
                name="look-up",
                daemon=True,
            ).start()
            _running[key] = running
        return running


def own_host_name(seconds: float) -> str:
    """This machine's name with its domain; empty where it is not found within `seconds`.

    A name is kept once it is found. One look-up is waited for during `OWN_NAME_SECONDS` at most.
    """
    global _own_name
    if not _own_name:
        running = shared_look_up(socket.getfqdn)
        left = running.started_at + OWN_NAME_SECONDS - time.monotonic()
        name = running.result() if running.wait(min(left, seconds)) else ""
        if "." in name:
            _own_name = name
    return _own_name


def share_of_time(most_seconds: float) -> float:
    """A quarter of the time that the send in this thread has left, and `most_seconds` at most.

    Raises OutOfTimeError where no time is left.
    """
    deadline = _current.get()
    return most_seconds if deadline is None else min(most_seconds, deadline.left_seconds() / 4)


class RecordedLines:
    """A file that is read line by line; keeps the lines in `lines`, and calls `on_line` with each.

    An incomplete last line reads as the end of the file.
    """

    def __init__(
        self, file: BinaryIO, on_line: Callable[[bytes], object] = lambda line: None
    ) -> None:
        self.file: Final = file
        self.lines: Final[list[bytes]] = []
        self._on_line = on_line

    def readline(self, limit: int) -> bytes:
        """The next line, or its first `limit` bytes; empty at the end of the file."""
        line = self.file.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit:
            return b""
        self.lines.append(line)
        self._on_line(line)
        return line

    def flush(self) -> None:
        """Do nothing, as `flush` of every file that is read."""

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def wrap_http(is_sending: Callable[[], bool]) -> None:
    """Make `http.client` keep a status that it has read, for calls where `is_sending()`.

    A status of 1xx is skipped, and the answer to a proxy's CONNECT is left alone: neither is the
    answer to the request.
    """
    kind: Any = http.client.HTTPResponse
    begin: Callable[..., None] = kind.begin
    read_status: Callable[[http.client.HTTPResponse], tuple[str, int, str]] = kind._read_status

    def final_status(self: http.client.HTTPResponse) -> tuple[str, int, str]:
        """The status of the answer itself, after any of 1xx (RFC 9110, 15.2)."""
        found = read_status(self)
        while found[1] < 200 and found[1] != http.client.SWITCHING_PROTOCOLS:
            http.client.parse_headers(self.fp)
            found = read_status(self)
        return found

    def kept_begin(self: Any, **limits: Any) -> None:
        if self.headers is not None or not is_sending():
            begin(self, **limits)
            return
        found = final_status(self)
        self._read_status = lambda: found
        recorded = self.fp = RecordedLines(self.fp)
        is_whole = False
        try:
            begin(self, **limits)
            is_whole = recorded.lines[-1:] in ([b"\r\n"], [b"\n"])
        except (OSError, http.client.HTTPException):
            # In another protocol, the number may mean anything.
            if found[1] < 200 or not isinstance(self.version, int):
                raise
        finally:
            self.fp = recorded.file
        if not is_whole:
            _make_cut(self, recorded.lines)

    kind._read_status = final_status
    kind.begin = kept_begin


@once
def _install() -> None:
    for kind, names in (
        (socket.socket, (*_WAITS, *_READS)),
        (ssl.SSLSocket, ("do_handshake", "send", "read")),
    ):
        for name in names:
            is_read = name == "read" or name in _READS
            operation = _bounded(getattr(kind, name), is_read=is_read, is_connect=name == "connect")
            setattr(kind, name, operation)
    for name in _ADDRESSED:
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    for name in _LOOK_UPS:
        setattr(socket, name, _bounded_look_up(getattr(socket, name)))
    _wrap_request()
    wrap_http(lambda: _current.get() is not None)


def _wrap_request() -> None:
    request: Callable[..., None] = HTTPConnection.request

    def noted_request(self: HTTPConnection, *args: Any, **kwargs: Any) -> None:
        deadline = _current.get()
        if deadline is not None:
            deadline.is_request_sent = False
        request(self, *args, **kwargs)
        if deadline is not None:
            deadline.is_request_sent = True

    HTTPConnection.request = noted_request  # type: ignore[method-assign]


def _bounded(
    operation: Callable[..., Any], *, is_read: bool, is_connect: bool
) -> Callable[..., Any]:
    def bounded(self: socket.socket, *args: Any, **kwargs: Any) -> Any:
        deadline = _current.get()
        timeout = self.gettimeout() if deadline is not None else None
        # A non-blocking socket belongs to an event loop, which has its own time limits.
        if deadline is None or timeout == 0.0:
            return operation(self, *args, **kwargs)
        left = deadline.left_seconds()
        if is_connect:
            left = min(left, CONNECT_SECONDS)
        if timeout is not None and timeout <= left:
            found = operation(self, *args, **kwargs)
        else:
            self.settimeout(left)
            try:
                found = operation(self, *args, **kwargs)
            finally:
                # A kept connection must not keep the time that was left to one send.
                with contextlib.suppress(OSError):
                    self.settimeout(timeout)
        if is_read:
            deadline.count_received(found if isinstance(found, int) else len(found))
        return found

    return bounded


def _guarded(operation: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *args: Any) -> Any:
        deadline = _current.get()
        if deadline is None or deadline.allow_link_local:
            return operation(self, *args)
        try:
            address = checked(self, args[-1])
        except LinkLocalError as error:
            deadline.refused = error
            raise
        return operation(self, *args[:-1], address)

    return guarded


def _bounded_look_up(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def bounded(*args: Any, **kwargs: Any) -> Any:
        deadline = _current.get()
        if deadline is None:
            return look_up(*args, **kwargs)
        left = deadline.left_seconds()
        running = shared_look_up(look_up, *args, **kwargs)
        if not running.wait(left):
            raise OutOfTimeError("the host's name was not resolved in time")
        return running.result()

    return bounded


def _make_cut(response: Any, lines: list[bytes]) -> None:
    """Turn it into a response with these header lines, and a body that is cut off at once."""
    response.fp.close()
    whole = b"".join(line for line in lines if line.endswith(b"\n")).decode("iso-8859-1")
    headers = email.message_from_string(whole, _class=http.client.HTTPMessage)
    for name in _BODY_HEADERS:
        del headers[name]
    headers["Content-Length"] = "1"
    response.headers = response.msg = headers
    response.fp, response.length = io.BytesIO(), 1
    response.chunked, response.will_close = False, True
