"""The receivers of the demo's alerts: a webhook server and an SMTP server."""

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
from typing import Any, Final, TypeVar

from aiosmtpd.smtp import SMTP, Envelope, Session

from engine.schema import EVENT_ID

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One alert that a receiver took.

    `channel` is the path of the webhook, or `email`; `text` the alert's message, or the mail's
    subject; `body` the webhook's whole JSON, or the mail's plain text.
    """

    channel: str
    text: str
    priority: str = ""
    event_id: str = ""
    body: str = ""


OnArrival = Callable[[Arrival], None]
# Returns the content type and body of a path of the webhook server, None for an unknown path.
Pages = Callable[[str], tuple[str, bytes] | None]


def no_pages(path: str) -> None:
    """None: no path has a page."""


class _WebhookServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, on_arrival: OnArrival, pages: Pages, address: tuple[str, int]) -> None:
        self.on_arrival = on_arrival
        self.pages = pages
        super().__init__(address, _WebhookHandler)


class _WebhookHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _WebhookServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        alert, event = body["alert"], body["event"]
        channel = self.path.strip("/")
        whole = json.dumps(body, indent=2, ensure_ascii=False)
        event_id = str(event.get(EVENT_ID) or "")
        self.server.on_arrival(
            Arrival(channel, alert["message"], alert["priority"], event_id, whole)
        )
        self._answer(HTTPStatus.OK, "text/plain", b"")

    def do_GET(self) -> None:
        page = self.server.pages(self.path)
        if page is None:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"no such page\n")
        else:
            self._answer(HTTPStatus.OK, *page)

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


class _Mailbox:
    def __init__(self, on_arrival: OnArrival) -> None:
        self._on_arrival = on_arrival

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        message = email.message_from_bytes(raw, policy=email.policy.default)
        text = message.get_body(("plain",))
        body = str(text.get_content()) if text else ""
        self._on_arrival(Arrival("email", str(message["Subject"]), body=body))
        return "250 Message accepted for delivery"


class Receivers:
    """Both servers, while their context is open; by default on free ports of loopback.

    They call `on_arrival` with each alert, from threads of their own. `pages` serves GET requests.
    """

    def __init__(
        self,
        on_arrival: OnArrival,
        pages: Pages = no_pages,
        *,
        host: str = HOST,
        http_port: int = 0,
        smtp_port: int = 0,
    ) -> None:
        self._smtp_address = host, smtp_port
        self._webhook = _WebhookServer(on_arrival, pages, (host, http_port))
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
                lambda: SMTP(self._mailbox, hostname=HOST, loop=self._events), *self._smtp_address
            )
        )
        return self

    def __exit__(self, *exc: object) -> None:
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
