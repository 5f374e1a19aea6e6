"""A time limit over a whole send, whatever it does on the wire.

The timeouts of `requests` and `smtplib` bound one wait for some bytes. A receiver that answers drop
by drop never lets one pass, and would hold its target for ever. So the operations of sockets are
wrapped once for the whole process: inside `within`, in its thread, each waits at most as long as
the send has left, and so does a look-up of a name. Outside they do as ever.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from channels.cut_answers import wrap_http
from channels.look_up import shared

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
        running = shared(look_up, *args, **kwargs)
        if not running.wait(left):
            raise OutOfTimeError("the host's name was not resolved in time")
        return running.result()

    return bounded
