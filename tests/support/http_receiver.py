"""A threaded HTTP or HTTPS server on loopback that answers from a script."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.support.answers import Answer, Ending, Request, Responder, Script
from tests.support.arrivals import Arrivals
from tests.support.patience import PATIENCE_SECONDS

LOOPBACK = "127.0.0.1"
HOLD_STEP_SECONDS = 0.02
JOIN_SECONDS = 10.0
# close() with a linger of zero sends RST instead of FIN.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def reset(connection: socket.socket) -> None:
    """Close so that the other side sees "connection reset"."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    connection.close()


def cut(connection: socket.socket) -> None:
    """End a connection that another thread reads from, which ends that thread's reading."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def bound_socket(port: int) -> socket.socket:
    """A socket that owns the port and refuses connections until it listens."""
    # asyncio turns Nagle off only on sockets that name their protocol.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((LOOPBACK, port))
    return bound


class HttpReceiver:
    """An HTTP server; a context manager. `tls` makes it HTTPS, with that server context.

    `requests` holds what arrived; `script` decides the answers, "200 ok" by default.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        respond: Responder = lambda _: Answer(),
    ) -> None:
        self.requests: Arrivals[Request] = Arrivals()
        self.script = Script(respond)
        self.tls = tls
        self.released = threading.Event()
        self._resets_lock = threading.Lock()
        self._resets = 0
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        self._reserved: socket.socket | None = bound_socket(0)
        self.port: int = self._reserved.getsockname()[1]
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        return f"https://localhost:{self.port}" if self.tls else f"http://{LOOPBACK}:{self.port}"

    def answer(self, *answers: Answer) -> None:
        """The next requests get these, one each; afterwards the default again."""
        self.script.add(*answers)

    def answer_when(self, predicate: Callable[[Request], bool], *answers: Answer) -> None:
        """Requests that `predicate` takes get these in turn, the last one for ever."""
        self.script.add_rule(predicate, *answers)

    def wait_for(self, count: int, timeout_seconds: float = PATIENCE_SECONDS) -> list[Request]:
        """All requests, once there are `count`; AssertionError when the time is over."""
        return self.requests.wait_for(count, timeout_seconds)

    def reset_next(self, count: int = 1) -> None:
        """The next `count` new connections are accepted, and reset at the client's first byte."""
        with self._resets_lock:
            self._resets += count

    def release(self) -> None:
        """Let hanging requests have their answer, and those to come hang no more."""
        self.released.set()

    def up(self) -> HttpReceiver:
        """Listen, on the same port as ever."""
        if self._server is None:
            assert self._reserved is not None
            self._server, self._reserved = _Server(self, self._reserved), None
            threading.Thread(
                target=self._server.serve_forever, args=(0.02,), name="http-receiver", daemon=True
            ).start()
        return self

    def down(self) -> None:
        """Refuse connections and cut those there are; the port stays ours."""
        if self._server is not None:
            self._server.shutdown()
            self._drop_connections()
            self._server.server_close()
            self._server = None
            self._reserved = bound_socket(self.port)

    def close(self) -> None:
        """Down for ever."""
        self.release()
        self.down()
        if self._reserved is not None:
            self._reserved.close()

    def __enter__(self) -> HttpReceiver:
        return self.up()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def take_reset(self) -> bool:
        """Whether the connection just accepted is to be reset."""
        with self._resets_lock:
            if self._resets == 0:
                return False
            self._resets -= 1
            return True

    def keep(self, connection: socket.socket) -> None:
        """Remember a live connection, so that `down` can cut it."""
        with self._connections_lock:
            self._connections.add(connection)

    def forget(self, connection: socket.socket) -> None:
        """The connection is closed."""
        with self._connections_lock:
            self._connections.discard(connection)

    def hold(self, connection: socket.socket, seconds: float) -> None:
        """Wait so long, or until the release, or until `down` has cut the connection."""
        end = time.monotonic() + seconds
        while not self.released.wait(min(HOLD_STEP_SECONDS, max(0.0, end - time.monotonic()))):
            with self._connections_lock:
                if connection not in self._connections or time.monotonic() >= end:
                    return

    def _drop_connections(self) -> None:
        with self._connections_lock:
            connections = list(self._connections)
            self._connections.clear()
        for connection in connections:
            cut(connection)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, receiver: HttpReceiver, listener: socket.socket) -> None:
        super().__init__((LOOPBACK, receiver.port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.receiver = receiver
        self._handlers: list[threading.Thread] = []
        self.server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:
        handler = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._handlers = [known for known in self._handlers if known.is_alive()] + [handler]
        handler.start()

    def server_close(self) -> None:
        super().server_close()
        for handler in self._handlers:
            handler.join(JOIN_SECONDS)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.receiver.tls is not None and isinstance(connection, socket.socket):
            # The handshake is the handler thread's: a silent client must not stop the others.
            connection = self.receiver.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        self.receiver.keep(request)
        return True

    def shutdown_request(self, request: Any) -> None:
        self.receiver.forget(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    connection: socket.socket

    def setup(self) -> None:
        connection = self.request
        connection.settimeout(PATIENCE_SECONDS)
        if self.server.receiver.take_reset():
            # Not before the client has begun to speak: Python's ssl leaks its socket then.
            socket.socket.recv(connection, 1, socket.MSG_PEEK)
            reset(connection)
            raise ConnectionResetError
        if isinstance(connection, ssl.SSLSocket):
            connection.do_handshake()
        connection.settimeout(None)
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _take(self) -> None:
        receiver = self.server.receiver
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            # The client died in the midst of it: nothing arrived.
            self.close_connection = True
            return
        request = Request(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            body,
            time.monotonic(),
        )
        answer = receiver.script.choose(request)
        receiver.requests.add(request)
        hangs = answer.ending is Ending.HANGS
        receiver.hold(self.connection, math.inf if hangs else answer.delay_seconds)
        if answer.ending is Ending.RESET:
            self.close_connection = True
            reset(self.connection)
            return
        self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _take  # noqa: N815
