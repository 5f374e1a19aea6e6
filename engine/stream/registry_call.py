"""Runs one call to a schema registry in a thread of its own, so that it can be given up.

The timeouts of the client's HTTP library count from byte to byte: a registry that sends a byte a
second never exceeds them. Looking up an address and a TLS handshake have no timeout at all. So a
call runs in its own thread; the caller waits as long as it likes, then ends the call: its
connections are shut down, and with them its thread ends. An answer may have 8 MiB.
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

#: How long a call may take, with address lookup, connection, login and answer.
DEADLINE_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
NO_WHOLE_ANSWER: Final = (
    f"the schema registry gave no whole answer within {DEADLINE_SECONDS:.0f} s; look at it, and at "
    "what lies between"
)
_Result = TypeVar("_Result")


class RegistryCall(Generic[_Result]):
    """Runs `ask` in a daemon thread, which does not keep the process from ending.

    `ask` must use a client that was given to `bound`.
    """

    def __init__(self, ask: Callable[[], _Result]) -> None:
        self._ask = ask
        self._results: list[_Result] = []
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

    def result(self) -> _Result:
        """Returns what `ask` returned, or raises what it raised; to be called once it is over."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def end(self) -> None:
        """Give up: shut the call's connections down, and let it open no other."""
        with self._lock:
            is_first, self._is_ended = not self._is_ended, True
            connections, self._connections = self._connections, []
        if is_first and self._rest is not None:
            # An address that hangs takes all the time: the next call begins with the next address.
            first, *others = self._rest.base_urls
            self._rest.base_urls = [*others, first]
        for connection in connections:
            _shut(connection)

    def _run(self) -> None:
        _current.call = self
        try:
            self._results.append(self._ask())
        # Whatever the error is, the caller gets it from `result`.
        except Exception as error:  # noqa: BLE001
            self._error = error
        finally:
            self._is_over.set()
            with self._lock:
                connections, self._connections = self._connections, []
            for connection in connections:
                connection.close()

    def begin_request(self, rest: Any, request: Any) -> None:
        """Keep the connections of this request; RegistryUnavailableError if the call was ended.

        `rest` is the client's part that has the list of addresses.
        """
        self._rest = rest
        if self._is_ended:
            raise RegistryUnavailableError(NO_WHOLE_ANSWER)
        # A connection that an earlier call left open would not be among those of this call.
        request.headers["Connection"] = "close"
        request.extensions = {**request.extensions, "trace": self._note}

    def _note(self, step: str, info: dict[str, Any]) -> None:
        if not step.endswith("connect_tcp.complete"):
            return
        # A duplicate: the library moves its own into a TLS object, and the number may belong to
        # another file by the time the connection is shut down.
        number = info["return_value"].get_extra_info("socket").fileno()
        connection = socket.socket(fileno=os.dup(number))
        with self._lock:
            self._connections.append(connection)
            is_ended = self._is_ended
        if is_ended:
            self.end()


class _Current(threading.local):
    """The call that the current thread makes."""

    call: RegistryCall[Any] | None = None


_current: Final = _Current()


def bound(client: SchemaRegistryClient) -> SchemaRegistryClient:
    """Returns the client, with bounded answers, and with calls that `RegistryCall` can end."""
    # The client has no option for the hooks of its HTTP library.
    rest = client._rest_client
    # A client that fetches a token first has another session for the token's server.
    token_session = getattr(rest.bearer_field_provider, "client", None)
    for session in filter(None, (rest.session, token_session)):
        session.event_hooks = {"request": [partial(_begin, rest)], "response": [_read]}
    return client


def answer_within(timeout_seconds: float, ask: Callable[[], _Result]) -> _Result:
    """Returns or raises what `ask` does; RegistryUnavailableError when that takes longer."""
    call = RegistryCall(ask)
    if not call.wait(timeout_seconds):
        call.end()
        raise RegistryUnavailableError(NO_WHOLE_ANSWER)
    return call.result()


def _begin(rest: Any, request: Any) -> None:
    if _current.call is not None:
        _current.call.begin_request(rest, request)


def _read(response: Any) -> None:
    """Read the body here, where it is bounded: the library would read it to its end."""
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
