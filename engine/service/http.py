"""The HTTP port: `/metrics`, `/healthz` and `/readyz`.

`StoreProbe` checks for `/readyz` that the store can be written, also where a write hangs.
"""

from __future__ import annotations

import errno
import json
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import structlog

from engine.errors import SettingsError, StoreError
from engine.health import Check
from engine.metrics import CONTENT_TYPE

log = structlog.get_logger(__name__)

JSON_TYPE: Final = "application/json; charset=utf-8"
PATHS: Final = b'{"paths": ["/metrics", "/healthz", "/readyz"]}\n'
REQUEST_TIMEOUT_SECONDS: Final = 10.0
#: How long a write of the store may take before `/readyz` calls it stuck.
PATIENCE_SECONDS: Final = 1.0


def liveness(check: Check) -> tuple[HTTPStatus, bytes]:
    """The status and JSON body of `/healthz`: `alive`, or `stuck` with the check's detail."""
    if check.is_good:
        return HTTPStatus.OK, b'{"status": "alive"}\n'
    body = {"status": "stuck", "detail": check.detail}
    return HTTPStatus.SERVICE_UNAVAILABLE, json.dumps(body).encode() + b"\n"


def readiness(checks: Mapping[str, Check]) -> tuple[HTTPStatus, bytes]:
    """The status and JSON body of `/readyz`: `ready`, `degraded` or `not ready`, and each check."""
    failed = [check for check in checks.values() if not check.is_good]
    is_ready = not any(check.is_essential for check in failed)
    word = "not ready" if not is_ready else "degraded" if failed else "ready"
    body = {
        "status": word,
        "ready": is_ready,
        "checks": {
            name: {"ok": check.is_good, "detail": check.detail, **check.facts}
            for name, check in checks.items()
        },
    }
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    return status, json.dumps(body, indent=2).encode() + b"\n"


class WebPort:
    """Serves the paths from threads of its own, while its context is open."""

    def __init__(
        self,
        host: str,
        port: int,
        exposition: Callable[[], bytes],
        checks: Callable[[], Mapping[str, Check]],
        life: Callable[[], Check] = lambda: Check(True),
    ) -> None:
        """Bind the port; raises SettingsError when it can't be bound.

        `exposition` returns the text of `/metrics`, `checks` the checks of `/readyz`, `life` the
        check of `/healthz`.
        """
        try:
            self._server = _WebServer((host, port), exposition, checks, life)
        except (OSError, UnicodeError) as error:
            raise SettingsError((_refusal(host, port, error),)) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="web", daemon=True
        )

    @property
    def port(self) -> int:
        """The port in use, also when 0 asked for any free one."""
        return int(self._server.server_address[1])

    def __enter__(self) -> WebPort:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class StoreProbe:
    """Checks that the store can be written; any thread may ask, and all share one write."""

    def __init__(
        self, check_writable: Callable[[], None], patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._check_writable = check_writable
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._write: _Write | None = None

    def check(self) -> Check:
        """Write a small row; bad, with the reason, when that fails or takes too long."""
        with self._lock:
            if self._write is None or self._write.is_over.is_set():
                self._write = _Write(self._check_writable)
                # A daemon: a disk that hangs for ever must not keep the process from ending.
                threading.Thread(target=self._write.run, name="store-probe", daemon=True).start()
            write = self._write
        if not write.is_over.wait(self._patience_seconds):
            seconds = f"{self._patience_seconds:g} s"
            return Check(False, f"a write takes more than {seconds}: locked, or its disk hangs")
        return Check(not write.problem, write.problem or "writable")


class _WebServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        exposition: Callable[[], bytes],
        checks: Callable[[], Mapping[str, Check]],
        life: Callable[[], Check],
    ) -> None:
        self.exposition = exposition
        self.checks = checks
        self.life = life
        super().__init__(address, _WebHandler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log errors, but those of a client that went away."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("web.failed", exc_info=error)


class _WebHandler(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT_SECONDS
    server_version = "alert-engine"
    sys_version = ""
    server: _WebServer

    def do_GET(self) -> None:
        path = self.path.split("?", 1)[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE, self.server.exposition())
        elif path == "/healthz":
            status, body = liveness(self.server.life())
            self._answer(status, JSON_TYPE, body)
        elif path == "/readyz":
            status, body = readiness(self.server.checks())
            self._answer(status, JSON_TYPE, body)
        else:
            status = HTTPStatus.OK if path == "/" else HTTPStatus.NOT_FOUND
            self._answer(status, JSON_TYPE, PATHS)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks up

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


def _refusal(host: str, port: int, error: OSError | UnicodeError) -> str:
    what = f"can't listen on {host}:{port} ({error})"
    is_no_name = isinstance(error, socket.gaierror | UnicodeError)
    if is_no_name or getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
        return f"METRICS_HOST: {what}, set an address of this machine, or 0.0.0.0 for all"
    return f"METRICS_PORT: {what}, free it or set another"


class _Write:
    """One write and its result."""

    def __init__(self, check_writable: Callable[[], None]) -> None:
        self._check_writable = check_writable
        self.is_over = threading.Event()
        self.problem = "the check failed"

    def run(self) -> None:
        try:
            self._check_writable()
            self.problem = ""
        except StoreError as error:
            self.problem = str(error)
        finally:
            self.is_over.set()
