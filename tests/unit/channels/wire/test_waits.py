"""How long a send waits for its answer: as long as we say, whatever Apprise's plugins would."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterator

import pytest
from apprise import URLBase
from requests.adapters import HTTPAdapter

from channels.alert import SENT, Outcome, Reason, Status
from channels.definitions.channel_entry import entry_targets
from channels.plugins.plugin import NotifyEmail
from channels.wire import capture
from channels.wire.outcomes import classify_failure
from tests.support.answers import Answer
from tests.support.dripping import Conversation, DrippingServer, Manner, http, url
from tests.support.http_receiver import LOOPBACK, HttpReceiver, bound_socket
from tests.support.services import TWILIO, Services
from tests.unit.channels.samples import alert

pytestmark = pytest.mark.waits

UNCONFIRMED = (Status.UNAVAILABLE, Reason.UNCONFIRMED)
TWILIO_URL = "twilio://AC" + "0" * 32 + ":" + "1" * 32 + "@15550001111/15550002222"
MAIL = "?from=a@example.org&to=b@example.org"
# What Apprise would wait in these tests, and what the servers take.
APPRISE_SECONDS, SLOW_SECONDS = 0.2, 1.0

Serve = Callable[[Manner], DrippingServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[DrippingServer] = []

    def serve(manner: Manner) -> DrippingServer:
        servers.append(DrippingServer(manner).__enter__())
        return servers[-1]

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Apprise itself wait for a moment only."""
    for kind in (URLBase, NotifyEmail):
        for name in ("socket_connect_timeout", "socket_read_timeout"):
            monkeypatch.setattr(kind, name, APPRISE_SECONDS)


def sent(address: str, seconds: float = 30.0, **changes: object) -> Outcome:
    """What becomes of an alert at the one target of the URL."""
    (target,) = entry_targets("ops", {"url": address, "timeout": seconds}, {}).checked()
    try:
        return target.send(alert(**changes), "key")
    finally:
        target.close()


def slow_mail_server(*seconds: float) -> Manner:
    """Waits before the greeting, the replies to EHLO, MAIL, RCPT, DATA and the mail, and QUIT."""
    replies = (b"220 x", b"250 x", b"250 x", b"250 x", b"354 x", b"250 x", b"221 x")

    def talk(conversation: Conversation) -> None:
        for reply, pause in zip(replies, seconds, strict=True):
            if reply is not replies[0]:
                is_mail = conversation.heard.endswith(b"data\r\n")
                conversation.hear(b"\r\n.\r\n" if is_mail else b"\r\n")
            conversation.ended.wait(pause)
            conversation.say(reply + b"\r\n")

    return talk


def mailed(server: DrippingServer, seconds: float = 30.0) -> Outcome:
    return sent(f"mailto://{LOOPBACK}:{server.port}{MAIL}", seconds)


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("address", ["json://{}/in", "ntfy://{}/plates", "gotify://{}/Aabcdefghi"])
def test_apprises_own_wait_for_an_answer_does_not_count(
    address: str, http_receiver: HttpReceiver
) -> None:
    http_receiver.answer(Answer(200, body=b"{}", delay_seconds=SLOW_SECONDS))
    assert sent(address.format(f"{LOOPBACK}:{http_receiver.port}")) == SENT
    assert len(http_receiver.requests.all()) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("step", range(6), ids=["greeting", "ehlo", "mail", "rcpt", "data", "end"])
def test_apprises_own_wait_for_a_mail_server_does_not_count(step: int, serve: Serve) -> None:
    pauses = [0.0] * 7
    pauses[step] = SLOW_SECONDS
    assert mailed(serve(slow_mail_server(*pauses))) == SENT


def test_a_url_cannot_change_how_long_a_send_waits(http_receiver: HttpReceiver) -> None:
    http_receiver.answer(Answer(200, delay_seconds=SLOW_SECONDS))
    assert sent(f"json://{LOOPBACK}:{http_receiver.port}/in?rto=0.1&cto=0.1") == SENT


def test_a_request_that_is_not_taken_whole_has_not_arrived(serve: Serve) -> None:
    # Nothing is read; a system's buffers hold some megabytes.
    server = serve(lambda conversation: conversation.ended.wait())
    outcome = sent(url(server, "http"), 2.0, event={"big": "x" * 40_000_000})
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.TIMEOUT)


def test_a_mail_that_is_not_taken_whole_has_not_arrived(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(conversation: Conversation) -> None:
        conversation.say(b"220 x\r\n")
        for reply in (b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"):
            conversation.hear(b"\r\n")
            conversation.say(reply)
        conversation.ended.wait()

    monkeypatch.setattr(capture, "MAIL_DATA_SECONDS", 1.0)
    adapter = HTTPAdapter()
    with (
        capture.capture(adapter) as evidence,
        pytest.raises(smtplib.SMTPServerDisconnected),
        smtplib.SMTP(LOOPBACK, serve(talk).port) as client,
    ):
        client.sendmail("a@example.org", ["b@example.org"], b"x" * 40_000_000)
    failure = next(each for each in evidence if isinstance(each, capture.Failure))
    outcome = classify_failure(failure)
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.TIMEOUT)


def test_a_mail_that_was_taken_whole_and_is_not_confirmed_may_have_arrived(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "MAIL_DATA_SECONDS", 1.0)
    server = serve(slow_mail_server(0, 0, 0, 0, 0, 3.0, 0))
    outcome = mailed(server, 1.0)
    assert (outcome.status, outcome.reason) == UNCONFIRMED
    assert "may have arrived" in outcome.detail
    assert len(server.conversations) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "reason"), [(5.0, Reason.OK), (25.0, Reason.OK), (35.0, Reason.UNCONFIRMED)]
)
def test_twilio_may_answer_late(seconds: float, reason: Reason, outside: Services) -> None:
    body = b'{"sid": "SM0", "status": "queued", "error_code": null}'
    outside.answer_when(
        lambda request: request.host == TWILIO, Answer(201, body=body, delay_seconds=seconds)
    )
    assert sent(TWILIO_URL).reason is reason
    assert len(outside.to(TWILIO)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [18.0, 240.0])
def test_a_mail_server_may_confirm_late(seconds: float, serve: Serve) -> None:
    server = serve(slow_mail_server(0, 0, 0, 0, 0, seconds, 0))
    assert mailed(server) == SENT
    assert len(server.conversations) == 1


@pytest.mark.slow
def test_a_mail_server_may_greet_late(serve: Serve) -> None:
    assert mailed(serve(slow_mail_server(18.0, 0, 0, 0, 0, 0, 0))) == SENT


@pytest.mark.parametrize(("keep_seconds", "connections"), [(60.0, 1), (0.0, 2)])
@pytest.mark.parametrize("scheme", ["http", "json"])
def test_a_connection_that_was_unused_for_long_is_not_used_again(
    scheme: str,
    keep_seconds: float,
    connections: int,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def talk(conversation: Conversation) -> None:
        while conversation.hear(b"}"):
            conversation.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    monkeypatch.setattr("channels.wire.deadline.KEEP_SECONDS", keep_seconds)
    server = serve(talk)
    (target,) = entry_targets("ops", url(server, scheme), {}).checked()
    assert [target.send(alert(), "key") for _ in range(2)] == [SENT] * 2
    assert len(server.conversations) == connections
    target.close()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that takes no connection, and refuses none: its queue is full."""
    listener = bound_socket(0)
    listener.listen(0)
    port: int = listener.getsockname()[1]
    waiting = [socket.socket() for _ in range(8)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex((LOOPBACK, port))
    yield port
    for each in (*waiting, listener):
        each.close()


@pytest.mark.parametrize("scheme", ["http", "json", "mailto"])
def test_an_address_that_takes_no_connection_leaves_time_for_the_next(
    scheme: str, deaf_port: int, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_mail = scheme == "mailto"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    server = serve(slow_mail_server(*[0.0] * 7) if is_mail else http(answer))
    ports = (deaf_port, server.port)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOOPBACK, port)) for port in ports]
    monkeypatch.setattr("channels.wire.deadline.CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert sent(f"{scheme}://plates.example.org{MAIL if is_mail else '/in'}") == SENT
    assert len(server.conversations) == 1
