"""One call to a schema registry, in a thread of its own, so that nobody has to wait for its end.

The time-outs of the client's HTTP library count from byte to byte: a registry that sends a byte a
second is never late by them. Neither looking up an address nor a TLS handshake has one at all. So a
call runs beside its caller, who waits as long as it likes and then ends it: the connections of the
call are shut down, and its thread with them. An answer may have 8 MiB.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Generic, TypeVar

from confluent_kafka.schema_registry import SchemaRegistryClient

from engine.errors import RegistryUnavailableError

#: How long a call may take, with everything: address, connection, login, answer.
DEADLINE_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
NO_WHOLE_ANSWER: Final = (
    f"the schema registry gave no whole answer within {DEADLINE_SECONDS:.0f} s; look at it, and at "
    "what lies between"
)
_Answer = TypeVar("_Answer")


class RegistryCall(Generic[_Answer]):
    """Runs `ask` in a thread that holds up nobody, not even the end of the process.

    `ask` uses a client that was given to `bound`.
    """

    def __init__(self, ask: Callable[[], _Answer]) -> None:
        self._ask = ask
        self._results: list[_Answer] = []
        self._error: Exception | None = None
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._is_ended = False
        self._rest: Any = None
        self._thread = threading.Thread(target=self._run, name="registry-call", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread is still there."""
        return self._thread.is_alive()

    def wait(self, timeout_seconds: float) -> bool:
        """Whether the call is over, `timeout_seconds` from now at the latest."""
        return self._is_over.wait(timeout_seconds)

    def result(self) -> _Answer:
        """What `ask` returned, or the error that it raised; to be called once it is over."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def end(self) -> None:
        """Give up: what the call is connected to is shut down, and it connects to nothing more."""
        with self._lock:
            is_first, self._is_ended = not self._is_ended, True
            connections, self._connections = self._connections, []
        if is_first and self._rest is not None:
            # One that hangs takes all of the time: the next call begins with the next address.
            first, *others = self._rest.base_urls
            self._rest.base_urls = [*others, first]
        for connection in connections:
            _shut(connection)

    def _run(self) -> None:
        _current.call = self
        try:
            self._results.append(self._ask())
        # Whatever it is belongs to the caller.
        except Exception as error:  # noqa: BLE001
            self._error = error
        finally:
            self._is_over.set()
            with self._lock:
                connections, self._connections = self._connections, []
            for connection in connections:
                connection.close()

    def begin_request(self, rest: Any, request: Any) -> None:
        """Watch the connection of this request; RegistryUnavailableError when we gave up.

        `rest` is what knows the addresses that are asked in turn.
        """
        self._rest = rest
        if self._is_ended:
            raise RegistryUnavailableError(NO_WHOLE_ANSWER)
        # A connection that was kept from an earlier call would be none of ours.
        request.headers["Connection"] = "close"
        request.extensions = {**request.extensions, "trace": self._note}

    def _note(self, step: str, info: dict[str, Any]) -> None:
        if not step.endswith("connect_tcp.complete"):
            return
        # A handle of our own: the library's moves into its TLS object, and its number may be
        # another file's by the time that we shut it.
        number = info["return_value"].get_extra_info("socket").fileno()
        connection = socket.socket(fileno=os.dup(number))
        with self._lock:
            self._connections.append(connection)
            is_ended = self._is_ended
        if is_ended:
            self.end()


class _Current(threading.local):
    """The call that the thread at hand makes."""

    call: RegistryCall[Any] | None = None


_current: Final = _Current()


def bound(client: SchemaRegistryClient) -> SchemaRegistryClient:
    """The client, whose answers are bounded, and whose calls can be ended."""
    # No option of the client reaches the hooks of its HTTP library.
    rest = client._rest_client
    # Where a token is fetched first, its server is talked to by a session of its own.
    token_session = getattr(rest.bearer_field_provider, "client", None)
    for session in filter(None, (rest.session, token_session)):
        session.event_hooks = {"request": [partial(_begin, rest)], "response": [_read]}
    return client


def answer_within(timeout_seconds: float, ask: Callable[[], _Answer]) -> _Answer:
    """What `ask` returns or raises; RegistryUnavailableError when that takes longer."""
    call = RegistryCall(ask)
    if not call.wait(timeout_seconds):
        call.end()
        raise RegistryUnavailableError(NO_WHOLE_ANSWER)
    return call.result()


def _begin(rest: Any, request: Any) -> None:
    if _current.call is not None:
        _current.call.begin_request(rest, request)


def _read(response: Any) -> None:
    """Read the body here, where it can be stopped: the library would read it to its end."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            response.close()
            raise RegistryUnavailableError(
                f"the schema registry's answer is longer than {MAX_ANSWER_BYTES} bytes"
            )
        parts.append(part)
    response._content = b"".join(parts)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
