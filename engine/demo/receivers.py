"""Where the demo's alerts arrive: a real webhook receiver and a real SMTP server."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, TypeVar

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One alert that a receiver took: `channel` is the last part of the webhook's path."""

    channel: str
    text: str
    priority: str = ""
    event_id: str = ""


OnArrival = Callable[[Arrival], None]


class _WebhookServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, on_arrival: OnArrival) -> None:
        self.on_arrival = on_arrival
        super().__init__((HOST, 0), _WebhookHandler)


class _WebhookHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _WebhookServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        alert, event = body["alert"], body["event"]
        channel = self.path.strip("/")
        self.server.on_arrival(
            Arrival(channel, alert["message"], alert["priority"], event["event_id"])
        )
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The demo shows what arrives itself."""


class _Mailbox:
    def __init__(self, on_arrival: OnArrival) -> None:
        self._on_arrival = on_arrival

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        message = email.message_from_bytes(raw, policy=email.policy.default)
        self._on_arrival(Arrival("email", str(message["Subject"])))
        return "250 Message accepted for delivery"


class Receivers:
    """Both servers on free loopback ports, as a context manager."""

    def __init__(self, on_arrival: OnArrival) -> None:
        self._webhook = _WebhookServer(on_arrival)
        self._webhook_thread = threading.Thread(
            target=self._webhook.serve_forever, args=(0.2,), name="demo-webhook", daemon=True
        )
        self._events = asyncio.new_event_loop()
        self._mailbox = _Mailbox(on_arrival)
        self._smtp_thread = threading.Thread(
            target=self._events.run_forever, name="demo-smtp", daemon=True
        )

    @property
    def webhook_url(self) -> str:
        """The base URL; the path names the channel."""
        return f"http://{HOST}:{self._webhook.server_address[1]}"

    @property
    def email_url(self) -> str:
        """An Apprise URL of the SMTP server, which speaks plain SMTP."""
        port = self._smtp.sockets[0].getsockname()[1]
        return f"mailto://{HOST}:{port}/?from=engine@demo.example&to=guard@demo.example"

    def __enter__(self) -> Receivers:
        self._webhook_thread.start()
        self._smtp_thread.start()
        self._smtp = self._wait_for(
            self._events.create_server(
                lambda: SMTP(self._mailbox, hostname=HOST, loop=self._events), HOST, 0
            )
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._smtp.close()
        self._wait_for(self._smtp.wait_closed())
        self._events.call_soon_threadsafe(self._events.stop)
        self._smtp_thread.join()
        self._events.close()
        self._webhook.shutdown()
        self._webhook_thread.join()
        self._webhook.server_close()

    def _wait_for(self, answer: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(answer, self._events).result(START_SECONDS)
