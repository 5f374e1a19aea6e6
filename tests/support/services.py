"""The Internet of the tests: services' APIs on one local server, behind a CONNECT proxy."""

from __future__ import annotations

import contextlib
import selectors
import socket
import socketserver
import threading
from collections.abc import Mapping
from types import TracebackType

from tests.support.answers import Answer, Request
from tests.support.arrivals import Arrivals
from tests.support.certificates import API_NAMES, LOCAL_NAMES, SERVICE_NAMES, Certificates
from tests.support.http_receiver import LOOPBACK, HttpReceiver
from tests.support.patience import PATIENCE_SECONDS

SLACK, TWILIO = SERVICE_NAMES
CHUNK_BYTES = 65_536


def answer_like_services(request: Request) -> Answer:
    """What the services' APIs answer to a good request."""
    if request.host == SLACK:
        return Answer(200, {"Content-Type": "text/html"}, b"ok")
    if request.host == TWILIO:
        form = request.form()
        return Answer.json(
            201,
            {
                "sid": "SM" + "0" * 32,
                "status": "queued",
                "to": form["To"][0],
                "from": form["From"][0],
                "body": form["Body"][0],
                "error_code": None,
                "error_message": None,
            },
        )
    if request.host in API_NAMES:
        # What each of them looks for in the answer.
        return Answer.json(
            200,
            {
                "ok": True,
                "result": {"message_id": 1},
                "status": 1,
                "requestId": "1",
                "errcode": 0,
                "code": 0,
                "StatusCode": 0,
            },
        )
    return Answer(404, body=b"no such service")


class Services(HttpReceiver):
    """The services, and the proxy that leads to them and to nowhere else."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(
            certificates.server(*SERVICE_NAMES, *API_NAMES, *LOCAL_NAMES), answer_like_services
        )
        self._certificates = certificates
        self.refused: Arrivals[str] = Arrivals()
        self._proxy = _Proxy(self.port, self.refused)

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes another process find these services, and nothing else outside."""
        proxy = f"http://{LOOPBACK}:{self._proxy.server_address[1]}"
        local = ",".join(LOCAL_NAMES)
        names = {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": local}
        return {
            **names,
            **{name.lower(): value for name, value in names.items()},
            **self._certificates.environment,
        }

    def to(self, host: str) -> list[Request]:
        """What arrived for this service."""
        return [request for request in self.requests.all() if request.host == host]

    def wait_for_service(
        self, host: str, count: int, timeout_seconds: float = PATIENCE_SECONDS
    ) -> list[Request]:
        """The service's requests, once there are `count`; AssertionError after the time."""
        return self.requests.wait_for(count, timeout_seconds, lambda found: found.host == host)

    def __enter__(self) -> Services:
        super().__enter__()
        threading.Thread(
            target=self._proxy.serve_forever, args=(0.02,), name="proxy", daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()
        super().__exit__(kind, error, trace)


class _Proxy(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, services_port: int, refused: Arrivals[str]) -> None:
        super().__init__((LOOPBACK, 0), _Tunnel)
        self.services = (LOOPBACK, services_port)
        self.refused = refused

    def handle_error(self, request: object, client_address: object) -> None:
        """A side that went away is no news."""


class _Tunnel(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    # Bytes read ahead would be lost to the tunnel.
    rbufsize = 0
    server: _Proxy
    connection: socket.socket

    def handle(self) -> None:
        request_line = self.rfile.readline().decode("latin-1").strip()
        while self.rfile.readline().strip():
            continue
        method, _, rest = request_line.partition(" ")
        destination = rest.partition(" ")[0]
        name, _, port = destination.partition(":")
        if method != "CONNECT" or name not in (*SERVICE_NAMES, *API_NAMES) or port != "443":
            self.server.refused.add(request_line)
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        try:
            upstream = socket.create_connection(self.server.services, PATIENCE_SECONDS)
        except OSError:
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with upstream:
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with contextlib.suppress(OSError):
                relay(self.connection, upstream)


def relay(left: socket.socket, right: socket.socket) -> None:
    """Carry bytes both ways until one side ends; OSError when one is cut."""
    other = {left: right, right: left}
    with selectors.DefaultSelector() as selector:
        for side in other:
            selector.register(side, selectors.EVENT_READ, other[side])
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                chunk = key.fileobj.recv(CHUNK_BYTES)
                if not chunk:
                    return
                key.data.sendall(chunk)
