"""A time limit over a whole send, name look-ups included.

The blocking calls of sockets, and the look-ups of names, are wrapped once for the whole process.
Outside of `within` the wrappers do nothing.
"""

from __future__ import annotations

import contextlib
import copy
import socket
import ssl
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from channels.wire.cut_answers import wrap_http

DEFAULT_TIMEOUT_SECONDS: Final = 30.0
#: The most bytes that one send may receive; an answer with its headers has less.
MAX_RECEIVED_BYTES: Final = 1_048_576
#: A mail can be sent without our own name, so nothing waits longer for it.
OWN_NAME_SECONDS: Final = 2.0
_WAITS: Final = ("connect", "send", "sendall")
_READS: Final = ("recv", "recv_into")
_LOOK_UPS: Final = ("getaddrinfo", "gethostbyaddr", "gethostbyname", "gethostbyname_ex")


class OutOfTimeError(TimeoutError):
    """The time of the send is over."""


class EndlessAnswerError(ConnectionError):
    """The server sends more than `MAX_RECEIVED_BYTES`."""


class Deadline:
    """When a send must have ended, by the monotonic clock, and how many bytes it has received."""

    __slots__ = ("_ends_at", "_received")

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._received = 0

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


_current: ContextVar[Deadline | None] = ContextVar("channels_deadline", default=None)
_lock: Final = threading.Lock()
_running: Final[dict[Hashable, NameLookUp]] = {}
_own_name = ""


def once(work: Callable[[], None]) -> Callable[[], None]:
    """A function that calls `work` at its first call, and never again, whatever thread calls it."""
    lock, calls = threading.Lock(), [work]

    def first() -> None:
        with lock:
            if calls:
                calls.pop()()

    return first


@contextlib.contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Bound all that sockets do inside this block, in this thread, to `seconds` altogether."""
    _install()
    deadline = Deadline(seconds)
    token = _current.set(deadline)
    try:
        yield deadline
    finally:
        _current.reset(token)


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


@once
def _install() -> None:
    for kind, names in (
        (socket.socket, (*_WAITS, *_READS)),
        (ssl.SSLSocket, ("do_handshake", "send", "read")),
    ):
        for name in names:
            is_read = name == "read" or name in _READS
            setattr(kind, name, _bounded(getattr(kind, name), is_read=is_read))
    for name in _LOOK_UPS:
        setattr(socket, name, _bounded_look_up(getattr(socket, name)))
    wrap_http(lambda: _current.get() is not None)


def _bounded(operation: Callable[..., Any], *, is_read: bool) -> Callable[..., Any]:
    def bounded(self: socket.socket, *args: Any, **kwargs: Any) -> Any:
        deadline = _current.get()
        timeout = self.gettimeout() if deadline is not None else None
        # A non-blocking socket belongs to an event loop, which has its own time limits.
        if deadline is None or timeout == 0.0:
            return operation(self, *args, **kwargs)
        left = deadline.left_seconds()
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
