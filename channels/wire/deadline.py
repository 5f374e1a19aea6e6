"""A time limit over a whole send, name look-ups included."""

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
#: An answer, headers and all, has less. What goes on beyond that never ends.
MAX_RECEIVED_BYTES: Final = 1_048_576
_WAITS: Final = ("connect", "send", "sendall")
_READS: Final = ("recv", "recv_into")
_LOOK_UPS: Final = ("getaddrinfo", "gethostbyaddr", "gethostbyname", "gethostbyname_ex")


class OutOfTimeError(TimeoutError):
    """The send has used up its time."""


class EndlessAnswerError(ConnectionError):
    """The other side sends more than any answer has."""


class Deadline:
    """When a send must have ended, by the monotonic clock, and how much it has received."""

    __slots__ = ("_ends_at", "_received")

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._received = 0

    def left_seconds(self) -> float:
        """How long the send may still take; OutOfTimeError where that is nothing."""
        left = self._ends_at - time.monotonic()
        if left <= 0.0:
            raise OutOfTimeError("no answer in time")
        return left

    def extend(self, seconds: float) -> None:
        """Let the send go on for so long from now, if it might not yet."""
        self._ends_at = max(self._ends_at, time.monotonic() + seconds)

    def shorten(self, seconds: float) -> None:
        """Let the send go on for so long from now at most."""
        self._ends_at = min(self._ends_at, time.monotonic() + seconds)

    def take(self, count: int) -> None:
        """Count received bytes; EndlessAnswerError where they are too many."""
        self._received += count
        if self._received > MAX_RECEIVED_BYTES:
            raise EndlessAnswerError("the answer does not end")


_current: ContextVar[Deadline | None] = ContextVar("channels_deadline", default=None)


def once(work: Callable[[], None]) -> Callable[[], None]:
    """`work` that is done by the first call, and by no other, of whatever thread."""
    lock, calls = threading.Lock(), [work]

    def first() -> None:
        with lock:
            if calls:
                calls.pop()()

    return first


@contextlib.contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Let nothing on sockets inside this block, in this thread, last longer than so altogether."""
    _install()
    deadline = Deadline(seconds)
    token = _current.set(deadline)
    try:
        yield deadline
    finally:
        _current.reset(token)


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
        # A socket that does not wait belongs to a loop, which has its own ways.
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
                # A kept connection must not remember what one send had left.
                with contextlib.suppress(OSError):
                    self.settimeout(timeout)
        if is_read:
            deadline.take(found if isinstance(found, int) else len(found))
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


#: A mail can be sent without our own name, so nothing waits longer for it.
OWN_NAME_SECONDS: Final = 2.0

_lock: Final = threading.Lock()
_running: Final[dict[Hashable, NameLookUp]] = {}
_own_name = ""


class NameLookUp:
    """A look-up at work; `started_at` is by the monotonic clock."""

    def __init__(self) -> None:
        self.started_at: Final = time.monotonic()
        self._done = threading.Event()
        self._found: Any = None
        self._error: BaseException | None = None

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after so many seconds at most."""
        return self._done.wait(seconds)

    def result(self) -> Any:
        """What the look-up found; raises what it raised. For one that has ended."""
        if self._error is not None:
            # Several callers raise it, each with a traceback of its own.
            raise copy.copy(self._error)
        return self._found

    def work(self, key: Hashable, look_up: Callable[[], Any]) -> None:
        """Look up, in this thread."""
        try:
            self._found = look_up()
        except BaseException as error:  # noqa: BLE001 - it is raised where it belongs
            self._error = error
        with _lock:
            del _running[key]
        self._done.set()


def shared_look_up(look_up: Callable[..., Any], *args: Any, **kwargs: Any) -> NameLookUp:
    """`look_up(*args, **kwargs)` at work: the one that runs already, or else a new one."""
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
    """This machine's name with its domain; empty where it is not found in so many seconds.

    Found once, it is known. Of one look-up, at most `OWN_NAME_SECONDS` are waited for.
    """
    global _own_name
    if not _own_name:
        running = shared_look_up(socket.getfqdn)
        left = running.started_at + OWN_NAME_SECONDS - time.monotonic()
        name = running.result() if running.wait(min(left, seconds)) else ""
        if "." in name:
            _own_name = name
    return _own_name
