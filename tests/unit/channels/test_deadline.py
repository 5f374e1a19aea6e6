"""A whole send ends by its deadline, whatever the other side does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from channels.alert import SENT, Outcome, Reason, Status, Target
from channels.deadline import MAX_RECEIVED_BYTES, OutOfTimeError, _bounded_look_up, within
from channels.plugins import make_plugin, plugin_class, read_url
from channels.render import Style
from channels.spec import url_targets
from channels.target import AppriseTarget
from tests.conftest import SMTP_PASSWORD, SMTP_USERNAME
from tests.support.answers import Answer
from tests.support.dripping import Conversation, DrippingServer, Manner, http, url
from tests.support.http_receiver import LOOPBACK, HttpReceiver
from tests.support.smtp_receiver import SmtpReceiver
from tests.unit.channels.samples import alert

pytestmark = pytest.mark.waits

SECONDS = 0.4
OUT_OF_TIME = (Status.UNAVAILABLE, Reason.TIMEOUT)
ENDLESS = (Status.UNAVAILABLE, Reason.CONNECTION)
OK = b"HTTP/1.1 200 OK\r\n"
HEADERS = OK + b"Content-Length: 1000000000\r\n\r\n"
FAILED = HEADERS.replace(b"200 OK", b"503 No")
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

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


def target_of(address: str, seconds: float = SECONDS) -> Target:
    """The one target of a URL, whose sends may last so long."""
    made = url_targets("ops", {"url": address, "timeout": seconds}, {})
    assert made.faults == ()
    (target,) = made.targets
    return target


def sent(server: DrippingServer, scheme: str) -> Outcome:
    target = target_of(url(server, scheme))
    try:
        return target.send(alert(), "key")
    finally:
        target.close()


@pytest.mark.parametrize(
    "scheme",
    ["http", "json", *(pytest.param(each, marks=pytest.mark.slow) for each in ("xml", "ntfy"))],
)
@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        (http(then=[OK]), OUT_OF_TIME),
        (http(OK, then=[b"X-Drop: by drop\r\n"]), OUT_OF_TIME),
        (http(b"HTTP/1.1 100 Continue\r\n\r\n" * 3), OUT_OF_TIME),
        (http(HEADERS, then=[b"ok "]), (Status.SENT, None)),
        (http(FAILED, then=[b"no "]), (Status.UNAVAILABLE, Reason.SERVER_ERROR)),
        (http(CHUNKED, then=[b"1\r\nx\r\n"]), (Status.SENT, None)),
        (lambda conversation: conversation.ended.wait(), OUT_OF_TIME),
    ],
    ids=["status", "headers", "hints", "body", "body of a failure", "chunks", "nothing"],
)
def test_an_answer_drop_by_drop(
    manner: Manner, expected: tuple[Status, Reason | None], scheme: str, serve: Serve
) -> None:
    outcome = sent(serve(manner), scheme)
    assert outcome.status is expected[0]
    assert expected[1] is None or outcome.reason is expected[1]


@pytest.mark.parametrize("scheme", ["http", "json"])
@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        (http(HEADERS, then=[b"x" * 10_000], is_fast=True), (Status.SENT, None)),
        (http(FAILED, then=[b"x" * 10_000], is_fast=True), (Status.UNAVAILABLE, None)),
        (http(OK, then=[b"X: y\r\n" * 1_000], is_fast=True), ENDLESS),
        (
            http(then=[b"HTTP/1.1 103 Early Hints\r\n\r\n"], is_fast=True),
            (Status.UNAVAILABLE, None),
        ),
    ],
    ids=["body", "body of a failure", "headers", "hints"],
)
def test_an_answer_without_end_takes_no_memory(
    manner: Manner, expected: tuple[Status, Reason | None], scheme: str, serve: Serve
) -> None:
    server = serve(manner)
    outcome = sent(server, scheme)
    assert outcome.status is expected[0]
    assert expected[1] is None or outcome.reason is expected[1]
    (conversation,) = server.conversations
    # What the system's buffers hold comes on top.
    assert conversation.sent_bytes < 12 * MAX_RECEIVED_BYTES


@pytest.mark.parametrize("scheme", ["https", "jsons", "mailtos"])
def test_a_handshake_that_does_not_end(scheme: str, serve: Serve) -> None:
    server = serve(lambda conversation: conversation.ended.wait())
    address = f"{scheme}://{LOOPBACK}:{server.port}"
    if scheme == "mailtos":
        address += "?from=a@example.org&to=b@example.org&mode=ssl"
    outcome = target_of(address).send(alert(), "key")
    assert (outcome.status, outcome.reason) == OUT_OF_TIME


MAIL = "?from=a@example.org&to=b@example.org"


@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        (lambda talk: talk.drip(b"220-hello\r\n"), OUT_OF_TIME),
        (lambda talk: talk.pour(b"220-hello\r\n" * 900), ENDLESS),
        (lambda talk: (talk.say(b"220 x\r\n"), talk.drip(b"250-X\r\n")), OUT_OF_TIME),
        (lambda talk: talk.ended.wait(), OUT_OF_TIME),
    ],
    ids=["a greeting", "a greeting without end", "a reply", "nothing"],
)
def test_a_mail_server_drop_by_drop(
    manner: Manner, expected: tuple[Status, Reason], serve: Serve
) -> None:
    server = serve(manner)
    outcome = target_of(f"mailto://{LOOPBACK}:{server.port}{MAIL}").send(alert(), "key")
    assert (outcome.status, outcome.reason) == expected


def test_a_mail_server_may_take_its_time_with_a_mail(serve: Serve) -> None:
    def take(conversation: Conversation) -> None:
        conversation.say(b"220 x\r\n")
        for reply in (b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"):
            conversation.hear(b"\r\n")
            conversation.say(reply)
        conversation.hear(b"\r\n.\r\n")
        conversation.ended.wait(2 * SECONDS)
        conversation.say(b"250 x\r\n")
        conversation.hear(b"\r\n")
        conversation.say(b"221 x\r\n")

    server = serve(take)
    assert target_of(f"mailto://{LOOPBACK}:{server.port}{MAIL}").send(alert(), "key") == SENT


def test_half_an_answer_to_a_login_is_no_message(serve: Serve) -> None:
    server = serve(http(HEADERS, then=[b'{"access_token": "']))
    address = f"matrix://user:word@{LOOPBACK}:{server.port}/%23room"
    assert target_of(address).send(alert(), "key").status is Status.UNAVAILABLE


@pytest.mark.parametrize("scheme", ["http", "json"])
def test_hints_before_the_answer_are_no_answer(scheme: str, serve: Serve) -> None:
    hints = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    server = serve(http(hints, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    assert sent(server, scheme) == SENT


@pytest.mark.parametrize("scheme", ["http", "json"])
def test_a_kept_connection_has_all_of_the_next_sends_time(
    scheme: str, http_receiver: HttpReceiver
) -> None:
    target = target_of(f"{scheme}://{LOOPBACK}:{http_receiver.port}/in", 5.0)
    assert target.send(alert(), "1") == SENT
    http_receiver.answer(Answer(200, {}, b"ok"))
    assert target.send(alert(), "2") == SENT
    target.close()


def test_a_name_that_is_not_resolved() -> None:
    released = threading.Event()

    def look_up(*_: object) -> list[object]:
        released.wait()
        return []

    try:
        with within(0.05), pytest.raises(OutOfTimeError):
            _bounded_look_up(look_up)("example.org", 443)
    finally:
        released.set()


def test_outside_of_a_send_sockets_do_as_ever() -> None:
    one, other = socket.socketpair()
    with one, other:
        with within(60.0):
            one.sendall(b"x" * 10)
        assert other.recv(100) == b"x" * 10
        assert other.gettimeout() is None
        with within(0.05), pytest.raises(TimeoutError):
            other.recv(1)
        assert other.gettimeout() is None
        one.sendall(b"y")
        assert other.recv(1) == b"y"


def test_time_that_is_up_before_a_wait_is_up_at_once() -> None:
    one, other = socket.socketpair()
    with one, other, within(0.01):
        time.sleep(0.02)
        with pytest.raises(OutOfTimeError):
            one.sendall(b"x")


@pytest.mark.parametrize("scheme", ["http", "json", "ntfy"])
def test_a_netrc_is_not_the_channels(
    scheme: str, http_receiver: HttpReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {LOOPBACK} login person password private\n")
    monkeypatch.setenv("NETRC", str(netrc))
    login = "tk_token@" if scheme == "ntfy" else ""
    target = target_of(f"{scheme}://{login}{LOOPBACK}:{http_receiver.port}/in", 5.0)
    assert target.send(alert(), "key") == SENT
    (request,) = http_receiver.wait_for(1)
    given = request.headers.get("authorization")
    assert given == ("Bearer tk_token" if scheme == "ntfy" else None)
    target.close()


@pytest.mark.usefixtures("trusted")
def test_every_try_of_a_mail_has_the_same_message_id(smtp_receiver: SmtpReceiver) -> None:
    login = f"{quote(SMTP_USERNAME)}:{quote(SMTP_PASSWORD, safe='')}"
    target = target_of(f"mailtos://{login}@localhost:{smtp_receiver.port}{MAIL}", 5.0)
    for key in ("a1-1", "a1-1", "a1-2"):
        assert target.send(alert(), key) == SENT
    mails = [mail.message for mail in smtp_receiver.wait_for(3)]
    ids = [mail["Message-ID"] for mail in mails]
    assert ids[0] == ids[1] == "<a1-1@localhost>"
    assert ids[2] == "<a1-2@localhost>"
    assert {mail["Auto-Submitted"] for mail in mails} == {"auto-generated"}
    target.close()


def test_discord_does_not_sleep_until_its_window_opens() -> None:
    keywords = read_url("discord://123456789012345678/tokentokentokentokentokentoken")
    plugin: Any = make_plugin(plugin_class("discord"), keywords)
    plugin.ratelimit_remaining = 0.0
    plugin.ratelimit_reset = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    outcome = AppriseTarget("ops", "ops:discord", plugin, Style.CHAT).send(alert(), "key")
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.RATE_LIMITED)
    assert outcome.retry_after_seconds == pytest.approx(3_600, abs=60)


def test_matrix_does_not_sleep_as_long_as_its_server_asks(http_receiver: HttpReceiver) -> None:
    limited = Answer(429, {}, b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 600000}')
    http_receiver.answer(*[limited] * 9)
    address = f"matrix://user:word@{LOOPBACK}:{http_receiver.port}/%23room"
    outcome = target_of(address, 5.0).send(alert(), "key")
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.RATE_LIMITED)
    assert outcome.retry_after_seconds == 600.0
