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
from apprise.plugins.custom_json import NotifyJSON
from requests.adapters import HTTPAdapter

from channels.alert import SENT, Outcome, Reason, Status, Target
from channels.definitions.channel_entry import entry_targets
from channels.plugins.plugin import make_plugin, plugin_class
from channels.plugins.url import read_url
from channels.render import Style
from channels.targets.apprise_target import AppriseTarget
from channels.wire.capture import Failure, PauseError, capture
from channels.wire.deadline import MAX_RECEIVED_BYTES, OutOfTimeError, _bounded_look_up, within
from tests.conftest import SMTP_PASSWORD, SMTP_USERNAME
from tests.support.answers import Answer
from tests.support.dripping import Conversation, DrippingServer, Manner, http, url
from tests.support.http_receiver import LOOPBACK, HttpReceiver
from tests.support.smtp_receiver import SmtpReceiver
from tests.unit.channels.samples import alert, set_environment

pytestmark = pytest.mark.waits

# Over before anything has come, on a busy machine only the more so.
SHORT_SECONDS = 0.4
# Enough to send a message on a busy machine, and then over.
SENT_SECONDS = 1.0
# For a send that has something to read first, on a busy machine too.
PLENTY_SECONDS = 2.0
# Enough for a busy machine to come to what is dripped without end: the tests that wait are slow.
DRIPPING_SECONDS = 4.0
# Never over: what ends these sends is something else.
LONG_SECONDS = 60.0
OUT_OF_TIME = (Status.UNAVAILABLE, Reason.TIMEOUT)
# The same, once the whole message is sent.
UNCONFIRMED = (Status.UNAVAILABLE, Reason.UNCONFIRMED)
ENDLESS = (Status.UNAVAILABLE, Reason.CONNECTION)
SENT_FOR = (Status.SENT, Reason.OK)
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


def target_of(address: str, seconds: float = SHORT_SECONDS) -> Target:
    """The one target of a URL, whose sends may last so long."""
    made = entry_targets("ops", {"url": address, "timeout": seconds}, {})
    assert made.faults == ()
    (target,) = made.targets
    return target


def sent(server: DrippingServer, scheme: str, seconds: float = SHORT_SECONDS) -> Outcome:
    target = target_of(url(server, scheme), seconds)
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
        (http(then=[OK.strip() + b"K" * 1_000]), UNCONFIRMED),
        (http(b"HTTP/1.1 100 Continue\r\n\r\n" * 3), UNCONFIRMED),
        (http(b"HTTP/1.1 103 Early Hints\r\n", then=[b"X-Drop: by drop\r\n"]), UNCONFIRMED),
        (http(b"HTTP/1.1 101 Switching\r\n", then=[b"X-Drop: by drop\r\n"]), UNCONFIRMED),
        (lambda conversation: conversation.ended.wait(), UNCONFIRMED),
    ],
    ids=["status", "hints", "headers of a hint", "headers of another protocol", "nothing"],
)
def test_an_answer_drop_by_drop(
    manner: Manner, expected: tuple[Status, Reason], scheme: str, serve: Serve
) -> None:
    outcome = sent(serve(manner), scheme, SENT_SECONDS)
    assert (outcome.status, outcome.reason) == expected


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "json", "xml", "ntfy"])
@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        (http(OK, then=[b"X-Drop: by drop\r\n"]), (Status.SENT, None)),
        (http(HEADERS, then=[b"ok "]), (Status.SENT, None)),
        (http(FAILED, then=[b"no "]), (Status.UNAVAILABLE, Reason.SERVER_ERROR)),
        (http(CHUNKED, then=[b"1\r\nx\r\n"]), (Status.SENT, None)),
    ],
    ids=["headers", "body", "body of a failure", "chunks"],
)
def test_what_an_answer_says_counts_though_its_body_comes_drop_by_drop(
    manner: Manner, expected: tuple[Status, Reason | None], scheme: str, serve: Serve
) -> None:
    outcome = sent(serve(manner), scheme, DRIPPING_SECONDS)
    assert outcome.status is expected[0]
    assert expected[1] is None or outcome.reason is expected[1]


@pytest.mark.parametrize("scheme", ["http", "json"])
@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        (http(HEADERS, then=[b"x" * 10_000], is_fast=True), (Status.SENT, None)),
        (http(FAILED, then=[b"x" * 10_000], is_fast=True), (Status.UNAVAILABLE, None)),
        (http(OK, then=[b"X: y\r\n" * 1_000], is_fast=True), (Status.SENT, None)),
        (http(OK, then=[b"x" * 10_000], is_fast=True), (Status.SENT, None)),
        (
            http(then=[b"HTTP/1.1 103 Early Hints\r\n\r\n"], is_fast=True),
            (Status.UNAVAILABLE, None),
        ),
    ],
    ids=["body", "body of a failure", "headers", "one header", "hints"],
)
def test_an_answer_without_end_takes_no_memory(
    manner: Manner, expected: tuple[Status, Reason | None], scheme: str, serve: Serve
) -> None:
    server = serve(manner)
    outcome = sent(server, scheme, LONG_SECONDS)
    assert outcome.status is expected[0]
    assert expected[1] is None or outcome.reason is expected[1]
    (conversation,) = server.conversations
    # What the system's buffers hold comes on top.
    assert conversation.sent_bytes < 12 * MAX_RECEIVED_BYTES


STATUSES = {
    200: SENT_FOR,
    301: (Status.MISCONFIGURED, Reason.REDIRECT),
    302: (Status.MISCONFIGURED, Reason.REDIRECT),
    303: (Status.MISCONFIGURED, Reason.REDIRECT),
    307: (Status.MISCONFIGURED, Reason.REDIRECT),
    308: (Status.MISCONFIGURED, Reason.REDIRECT),
    401: (Status.MISCONFIGURED, Reason.UNAUTHORIZED),
    404: (Status.MISCONFIGURED, Reason.NOT_FOUND),
    413: (Status.REFUSED, Reason.TOO_LARGE),
    429: (Status.UNAVAILABLE, Reason.RATE_LIMITED),
    503: (Status.UNAVAILABLE, Reason.SERVER_ERROR),
}


def answer_with(status: int, *, has_body: bool) -> bytes:
    """The beginning of an answer: its status, a header, and perhaps its body."""
    head = f"HTTP/1.1 {status} x\r\nLocation: /elsewhere\r\nRetry-After: 7\r\n".encode()
    return head + (b"Content-Length: 1000000000\r\n\r\n" if has_body else b"")


def closing(text: bytes) -> Manner:
    """Take a request, say the text, and close the connection."""

    def talk(conversation: Conversation) -> None:
        conversation.hear(b"}", b">")
        conversation.say(text)

    return talk


@pytest.mark.parametrize(
    "scheme",
    ["http", "json", *(pytest.param(each, marks=pytest.mark.slow) for each in ("xml", "ntfy"))],
)
@pytest.mark.parametrize(
    "status",
    [pytest.param(each, marks=() if each in (200, 302) else pytest.mark.slow) for each in STATUSES],
)
@pytest.mark.parametrize("way", ["body drips", "body pours", "headers drip", "headers end"])
def test_a_status_that_was_read_is_the_answer(
    way: str, status: int, scheme: str, serve: Serve
) -> None:
    manner = {
        "body drips": http(answer_with(status, has_body=True), then=[b"x"]),
        "body pours": http(answer_with(status, has_body=True), then=[b"x" * 10_000], is_fast=True),
        "headers drip": http(answer_with(status, has_body=False), then=[b"X-Drop: by drop\r\n"]),
        "headers end": closing(answer_with(status, has_body=False) + b"X-Ha"),
    }[way]
    outcome = sent(serve(manner), scheme, PLENTY_SECONDS)
    assert (outcome.status, outcome.reason) == STATUSES[status]
    asked = outcome.status is Status.UNAVAILABLE
    assert outcome.retry_after_seconds == (7.0 if asked else None)


@pytest.mark.parametrize("scheme", ["https", "jsons"])
def test_a_proxys_answer_is_none(
    scheme: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tunnel(conversation: Conversation) -> None:
        conversation.hear(b"\r\n\r\n")
        conversation.say(b"HTTP/1.1 200 Connection established\r\n")
        conversation.drip(b"X-Drop: by drop\r\n")

    proxy = serve(tunnel)
    set_environment(monkeypatch, {"HTTPS_PROXY": f"http://{LOOPBACK}:{proxy.port}", "NO_PROXY": ""})
    outcome = target_of(f"{scheme}://example.org/in").send(alert(), "key")
    assert (outcome.status, outcome.reason) == OUT_OF_TIME
    assert len(proxy.conversations) == 1


@pytest.mark.parametrize("head", [HEADERS, OK + b"Content-Le"], ids=["body", "headers"])
def test_half_an_answer_to_a_login_is_no_message(head: bytes, serve: Serve) -> None:
    server = serve(http(head, then=[b'{"access_token": "']))
    address = f"matrix://user:word@{LOOPBACK}:{server.port}/%23room"
    assert target_of(address).send(alert(), "key").status is Status.UNAVAILABLE


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
        (lambda talk: (talk.say(b"220 x\r\n"), talk.drip(b"250-X\r\n")), OUT_OF_TIME),
        (lambda talk: talk.ended.wait(), OUT_OF_TIME),
    ],
    ids=["a greeting", "a reply", "nothing"],
)
def test_a_mail_server_drop_by_drop(
    manner: Manner, expected: tuple[Status, Reason], serve: Serve
) -> None:
    server = serve(manner)
    # A megabyte is read line by line.
    seconds = 60.0 if expected == ENDLESS else SHORT_SECONDS
    address = f"mailto://{LOOPBACK}:{server.port}{MAIL}"
    outcome = target_of(address, seconds).send(alert(), "key")
    assert (outcome.status, outcome.reason) == expected


def test_a_mail_server_that_greets_without_end(serve: Serve) -> None:
    server = serve(lambda talk: talk.pour(b"220-hello\r\n" * 900))
    target = target_of(f"mailto://{LOOPBACK}:{server.port}{MAIL}", LONG_SECONDS)
    outcome = target.send(alert(), "key")
    assert (outcome.status, outcome.reason) == ENDLESS


def mail_server(*replies: bytes, then: Callable[[Conversation], object] = lambda _: None) -> Manner:
    """Greet, give each of four commands its reply, take the mail where there is one, and go on."""

    def talk(conversation: Conversation) -> None:
        conversation.say(b"220 x\r\n")
        for reply in replies:
            conversation.hear(b"\r\n")
            conversation.say(reply)
        if replies[-1].startswith(b"354"):
            conversation.hear(b"\r\n.\r\n")
        then(conversation)

    return talk


TAKE = (b"250 x\r\n", b"250 x\r\n", b"250 x\r\n", b"354 x\r\n")


def mailed(server: DrippingServer) -> Outcome:
    address = f"mailto://{LOOPBACK}:{server.port}{MAIL}"
    return target_of(address, PLENTY_SECONDS).send(alert(), "key")


@pytest.mark.slow
def test_a_mail_server_may_take_its_time_with_a_mail(serve: Serve) -> None:
    def take(conversation: Conversation) -> None:
        conversation.ended.wait(1.5 * PLENTY_SECONDS)
        conversation.say(b"250 x\r\n")
        conversation.hear(b"\r\n")
        conversation.say(b"221 x\r\n")

    assert mailed(serve(mail_server(*TAKE, then=take))) == SENT


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (b"250", (Status.SENT, Reason.OK)),
        (b"451", (Status.UNAVAILABLE, Reason.SMTP_TEMPORARY)),
        (b"554", (Status.REFUSED, Reason.MESSAGE_REFUSED)),
    ],
    ids=["taken", "later", "refused"],
)
@pytest.mark.parametrize("way", ["drips", "pours", "ends", "becomes nonsense", "is one long line"])
def test_a_mail_servers_code_that_was_read_is_the_answer(
    way: str,
    code: bytes,
    expected: tuple[Status, Reason],
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("channels.wire.capture._QUIT_SECONDS", 0.2)
    line = code + b"-and so on\r\n"
    ways: dict[str, Callable[[Conversation], object]] = {
        "drips": lambda talk: talk.drip(line),
        "pours": lambda talk: talk.pour(line * 900),
        "ends": lambda talk: talk.say(line + code + b" and"),
        "becomes nonsense": lambda talk: talk.say(line + b"and what?\r\n"),
        "is one long line": lambda talk: talk.pour((code + b" x").ljust(10_000, b"x")),
    }
    outcome = mailed(serve(mail_server(*TAKE, then=ways[way])))
    assert (outcome.status, outcome.reason) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("replies", "last", "expected"),
    [
        (TAKE[:2], b"550-5.1.1 unknown\r\n", (Status.REFUSED, Reason.UNKNOWN_RECIPIENT)),
        (TAKE[:1], b"451-4.3.0 busy\r\n", (Status.UNAVAILABLE, Reason.SMTP_TEMPORARY)),
        (TAKE[:2], b"250-fine\r\n", OUT_OF_TIME),
        (TAKE[:3], b"354-go on\r\n", OUT_OF_TIME),
    ],
    ids=["recipient refused", "sender refused", "recipient taken", "go on"],
)
def test_before_a_mail_was_handed_over_only_a_refusal_is_the_answer(
    replies: tuple[bytes, ...], last: bytes, expected: tuple[Status, Reason], serve: Serve
) -> None:
    outcome = mailed(serve(mail_server(*replies, last, then=lambda talk: talk.drip(last))))
    assert (outcome.status, outcome.reason) == expected


@pytest.mark.parametrize("half", [b"250", b"250 2.0.0 ok", b"2", b"554 5.7.1 no"])
def test_half_a_line_of_a_mail_server_is_no_reply(half: bytes, serve: Serve) -> None:
    outcome = mailed(serve(mail_server(*TAKE, then=lambda talk: talk.say(half))))
    assert (outcome.status, outcome.reason) == UNCONFIRMED


def test_a_login_whose_refusal_breaks_off_is_refused(serve: Serve) -> None:
    def refuse(conversation: Conversation) -> None:
        conversation.hear(b"\r\n")
        conversation.say(b"535-5.7.8 no\r\n")

    server = serve(mail_server(b"250-x\r\n250 AUTH PLAIN LOGIN\r\n", then=refuse))
    address = f"mailto://user:word@{LOOPBACK}:{server.port}{MAIL}&mode=insecure"
    outcome = target_of(address, PLENTY_SECONDS).send(alert(), "key")
    assert (outcome.status, outcome.reason) == (Status.MISCONFIGURED, Reason.SMTP_AUTHENTICATION)


def test_a_mail_that_was_never_handed_over_is_not_sent(serve: Serve) -> None:
    outcome = mailed(serve(mail_server(*TAKE[:3], b"250 x\r\n")))
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.SERVICE_ERROR)


@pytest.mark.parametrize("scheme", ["http", "json"])
def test_hints_before_the_answer_are_no_answer(scheme: str, serve: Serve) -> None:
    hints = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    server = serve(http(hints, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    assert sent(server, scheme, LONG_SECONDS) == SENT


@pytest.mark.parametrize("scheme", ["http", "json"])
def test_a_kept_connection_has_all_of_the_next_sends_time(
    scheme: str, http_receiver: HttpReceiver
) -> None:
    target = target_of(f"{scheme}://{LOOPBACK}:{http_receiver.port}/in", LONG_SECONDS)
    assert target.send(alert(), "1") == SENT
    http_receiver.answer(Answer(200, {}, b"ok"))
    assert target.send(alert(), "2") == SENT
    target.close()


def test_a_name_that_is_not_resolved_costs_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    asked: list[object] = []

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        released.wait()
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with within(60.0):
        # What wraps the look-ups is installed.
        pass
    bounded = _bounded_look_up(look_up)
    monkeypatch.setattr(socket, "getaddrinfo", bounded)
    targets = [target_of(address, 0.1) for address in ("json://example.org", "http://example.org")]
    for target in targets * 3:
        outcome = target.send(alert(), "key")
        assert (outcome.status, outcome.reason) == OUT_OF_TIME
    assert asked == ["example.org"]
    failures: list[BaseException] = []

    def wait() -> None:
        with within(60.0), pytest.raises(socket.gaierror) as caught:
            socket.getaddrinfo("example.net", 80)
        failures.append(caught.value)

    waiting = [threading.Thread(target=wait) for _ in range(3)]
    for thread in waiting:
        thread.start()
    released.set()
    for thread in waiting:
        thread.join()
    assert len(set(map(id, failures))) == 3


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
    target = target_of(f"{scheme}://{login}{LOOPBACK}:{http_receiver.port}/in", LONG_SECONDS)
    assert target.send(alert(), "key") == SENT
    (request,) = http_receiver.wait_for(1)
    given = request.headers.get("authorization")
    assert given == ("Bearer tk_token" if scheme == "ntfy" else None)
    target.close()


@pytest.mark.usefixtures("trusted")
def test_every_try_of_a_mail_has_the_same_message_id_of_its_senders_domain(
    smtp_receiver: SmtpReceiver,
) -> None:
    login = f"{quote(SMTP_USERNAME)}:{quote(SMTP_PASSWORD, safe='')}"
    target = target_of(f"mailtos://{login}@localhost:{smtp_receiver.port}{MAIL}", LONG_SECONDS)
    for key in ("a1-1", "a1-1", "a1-2"):
        assert target.send(alert(), key) == SENT
    mails = [mail.message for mail in smtp_receiver.wait_for(3)]
    ids = [mail["Message-ID"] for mail in mails]
    assert ids[0] == ids[1] == "<a1-1@example.org>"
    assert ids[2] == "<a1-2@example.org>"
    assert {mail["Auto-Submitted"] for mail in mails} == {"auto-generated"}
    target.close()


def greeted(server: DrippingServer) -> bytes:
    """What a mail server was greeted with."""
    mailed(server)
    return server.conversations[-1].heard.partition(b"\r\n")[0]


def test_a_mail_does_not_wait_for_our_own_name(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, asked = threading.Event(), threading.Semaphore(0)

    def look_up(*_: object) -> str:
        asked.release()
        released.wait()
        return "alerts.example.org"

    monkeypatch.setattr("channels.wire.deadline.OWN_NAME_SECONDS", 0.05)
    monkeypatch.setattr("channels.wire.deadline._own_name", "")
    monkeypatch.setattr(socket, "getfqdn", look_up)
    server = serve(mail_server(b"250 x\r\n"))
    assert [greeted(server) for _ in range(2)] == [b"ehlo [127.0.0.1]"] * 2
    assert asked.acquire(blocking=False)
    assert not asked.acquire(blocking=False)
    released.set()
    while greeted(server) != b"ehlo alerts.example.org":
        time.sleep(0.01)
    # Once known, it is not looked up again.
    monkeypatch.setattr(socket, "getfqdn", lambda: "other.example.org")
    assert greeted(server) == b"ehlo alerts.example.org"


def test_no_plugin_sleeps_whoever_made_it(http_receiver: HttpReceiver) -> None:
    make: Callable[..., Any] = NotifyJSON
    plugin = make(**read_url(f"json://{LOOPBACK}:{http_receiver.port}/in"))
    plugin.request_rate_per_sec = 3_600.0
    adapter = HTTPAdapter()
    with capture(adapter) as evidence:
        assert [plugin.send(body="x") for _ in range(3)] == [True] * 3
        with pytest.raises(PauseError):
            plugin.throttle(wait=3_600.0)
    adapter.close()
    assert isinstance(evidence[-1], Failure)
    assert isinstance(evidence[-1].error, PauseError)


def test_discord_does_not_sleep_until_its_window_opens() -> None:
    keywords = read_url("discord://123456789012345678/tokentokentokentokentokentoken")
    plugin: Any = make_plugin(plugin_class("discord"), keywords)
    plugin.ratelimit_remaining = 0.0
    plugin.ratelimit_reset = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    outcome = AppriseTarget("ops", "ops:discord", plugin, Style.CHAT).send(alert(), "key")
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.RATE_LIMITED)
    assert outcome.retry_after_seconds == pytest.approx(3_600, abs=60)
    assert outcome.is_unsent


def test_matrix_does_not_sleep_as_long_as_its_server_asks(http_receiver: HttpReceiver) -> None:
    limited = Answer(429, {}, b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 600000}')
    http_receiver.answer(*[limited] * 9)
    address = f"matrix://user:word@{LOOPBACK}:{http_receiver.port}/%23room"
    outcome = target_of(address, LONG_SECONDS).send(alert(), "key")
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.RATE_LIMITED)
    assert outcome.retry_after_seconds == 600.0
    # It was the login that was too much.
    assert outcome.is_unsent
