"""What is captured of a send."""

from __future__ import annotations

import smtplib
import ssl
import threading
from collections.abc import Iterator

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth

from channels.wire.capture import (
    Evidence,
    Failure,
    HttpReply,
    SmtpReply,
    body_wait_seconds,
    capture,
    retry_after_seconds,
)
from tests.conftest import SMTP_PASSWORD, SMTP_USERNAME
from tests.support.answers import RESET, Answer
from tests.support.certificates import Certificates
from tests.support.http_receiver import HttpReceiver
from tests.support.patience import PATIENCE_SECONDS
from tests.support.smtp_receiver import SmtpReceiver, Stage
from tests.unit.channels.samples import set_environment

NOW = 1_700_000_000.0


@pytest.fixture
def adapter() -> Iterator[HTTPAdapter]:
    adapter = HTTPAdapter()
    yield adapter
    adapter.close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("-3", None),
        ("99999999999", 86_400.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("1e999", 86_400.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (
            b'{"message": "rate limited", "retry_after": 64.57, "global": false}',
            64.57,
        ),
        (b'{"ok": false, "error_code": 429, "parameters": {"retry_after": 30}}', 30.0),
        (b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500}', 2.5),
        (b'{"error": {"retry_after_ms": 2500}}', 2.5),
        (b'{"retry_after": 99999999999}', 86_400.0),
        (b'{"retry_after": Infinity}', 86_400.0),
        (b'{"retry_after": NaN}', None),
        (b'{"retry_after": -1}', None),
        (b'{"retry_after": true}', None),
        (b'{"retry_after": "soon"}', None),
        (b'{"parameters": []}', None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_a_body_says_how_long_to_wait(body: bytes, seconds: float | None) -> None:
    assert body_wait_seconds(body) == seconds


@pytest.mark.parametrize(
    ("status", "headers", "body", "seconds"),
    [
        (429, {}, b'{"retry_after": 2.5}', 2.5),
        (503, {}, b'{"retry_after": 2.5}', 2.5),
        (200, {}, b'{"ok": false, "parameters": {"retry_after": 30}}', 30.0),
        (429, {"Retry-After": "7"}, b'{"retry_after": 2.5}', 7.0),
        (429, {"X-RateLimit-Reset-After": "1.25"}, b"", 1.25),
        (429, {"X-RateLimit-Reset-After": "9"}, b'{"retry_after": 2.5}', 2.5),
        (200, {"X-RateLimit-Reset-After": "9"}, b"", None),
        (500, {"X-RateLimit-Reset-After": "9"}, b'{"retry_after": 2.5}', None),
    ],
)
def test_a_wait_is_read_from_header_or_body(
    status: int,
    headers: dict[str, str],
    body: bytes,
    seconds: float | None,
    http_receiver: HttpReceiver,
    adapter: HTTPAdapter,
) -> None:
    http_receiver.answer(Answer(status, headers, body))
    with capture(adapter) as evidence:
        requests.post(http_receiver.url, data=b"x", timeout=PATIENCE_SECONDS)
    assert evidence == [HttpReply(status, body, seconds)]


def test_a_failure_has_the_message_only_after_the_request_that_had_it(
    http_receiver: HttpReceiver, adapter: HTTPAdapter
) -> None:
    http_receiver.answer(RESET, RESET)
    with capture(adapter, text="plate ABC123 seen") as evidence:
        for body in (b"login", b"plate ABC123 seen"):
            with pytest.raises(requests.ConnectionError):
                requests.post(http_receiver.url, data=body, timeout=PATIENCE_SECONDS)
        http_receiver.down()
        with pytest.raises(requests.ConnectionError):
            requests.post(http_receiver.url, data=b"ABC123", timeout=PATIENCE_SECONDS)
    failures = [entry.has_message for entry in evidence if isinstance(entry, Failure)]
    assert failures == [False, True, False]


def test_a_message_is_known_by_a_word_that_short_services_take_too(
    http_receiver: HttpReceiver, adapter: HTTPAdapter
) -> None:
    text = "Kennzeichen ABC123 " + "kurz " * 30 + "Donaudampfschifffahrtsgesellschaft"
    with capture(adapter, text=text) as evidence:
        requests.post(http_receiver.url, data=text[:70], timeout=PATIENCE_SECONDS)
    assert evidence == [HttpReply(200, b"ok", has_message=True)]


def test_http_answer_is_captured(http_receiver: HttpReceiver, adapter: HTTPAdapter) -> None:
    http_receiver.answer(Answer(429, {"Retry-After": "7"}, b"slow down"))
    with capture(adapter) as evidence:
        requests.post(http_receiver.url, data=b"x", timeout=PATIENCE_SECONDS)
    assert evidence == [HttpReply(429, b"slow down", 7.0)]


def test_each_answer_on_the_way_is_captured(
    http_receiver: HttpReceiver, adapter: HTTPAdapter
) -> None:
    asked = {"WWW-Authenticate": 'Digest realm="x", nonce="y", qop="auth"'}
    http_receiver.answer(Answer(302, {"Location": "/there"}), Answer(401, asked))
    with capture(adapter) as evidence:
        requests.get(http_receiver.url, auth=HTTPDigestAuth("user", "word"), timeout=5)
    assert [entry.status for entry in evidence if isinstance(entry, HttpReply)] == [302, 401, 200]
    assert len(evidence) == 3


def test_http_failure_is_captured_and_raised(
    http_receiver: HttpReceiver, adapter: HTTPAdapter
) -> None:
    http_receiver.answer(RESET)
    with capture(adapter) as evidence, pytest.raises(requests.ConnectionError) as caught:
        requests.post(http_receiver.url, data=b"x", timeout=PATIENCE_SECONDS)
    assert evidence == [Failure("http", caught.value, has_message=True)]


def test_nothing_is_captured_outside(http_receiver: HttpReceiver, adapter: HTTPAdapter) -> None:
    with capture(adapter) as evidence:
        pass
    requests.post(http_receiver.url, data=b"x", timeout=PATIENCE_SECONDS)
    assert evidence == []


def test_sends_of_other_threads_do_not_mix(
    http_receiver: HttpReceiver, adapter: HTTPAdapter
) -> None:
    statuses = (200, 404, 429, 500)
    for status in statuses:
        http_receiver.answer_when(
            lambda request, path=f"/{status}": request.path == path,  # type: ignore[misc]
            Answer(status),
        )
    seen: dict[int, list[Evidence]] = {}

    def send(status: int) -> None:
        own = HTTPAdapter()
        with capture(own) as evidence:
            for _ in range(20):
                requests.post(f"{http_receiver.url}/{status}", data=b"x", timeout=PATIENCE_SECONDS)
        own.close()
        seen[status] = evidence

    threads = [threading.Thread(target=send, args=(status,)) for status in statuses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for status in statuses:
        answers = [entry for entry in seen[status] if isinstance(entry, HttpReply)]
        assert [answer.status for answer in answers] == [status] * 20


def test_connection_is_kept_alive_over_captures(
    http_receiver: HttpReceiver, adapter: HTTPAdapter
) -> None:
    for _ in range(3):
        with capture(adapter):
            requests.post(http_receiver.url, data=b"x", timeout=PATIENCE_SECONDS)
    (pool,) = adapter.poolmanager.pools._container.values()
    assert (pool.num_connections, pool.num_requests) == (1, 3)


def test_sessions_own_adapter_is_left_alone(
    http_receiver: HttpReceiver, adapter: HTTPAdapter
) -> None:
    class Own(HTTPAdapter):
        used = 0

        def send(self, *args: object, **kwargs: object) -> requests.Response:
            self.used += 1
            return super().send(*args, **kwargs)  # type: ignore[arg-type]

    own = Own()
    with requests.Session() as session, capture(adapter) as evidence:
        session.mount("http://", own)
        session.get(http_receiver.url, timeout=PATIENCE_SECONDS)
    assert own.used == 1
    assert len(evidence) == 1


def talk(receiver: SmtpReceiver, context: ssl.SSLContext, password: str = SMTP_PASSWORD) -> None:
    with smtplib.SMTP("localhost", receiver.port, timeout=PATIENCE_SECONDS) as client:
        client.starttls(context=context)
        client.login(SMTP_USERNAME, password)
        client.sendmail("a@example.org", ["b@example.org"], "Subject: x\r\n\r\nhello")


def test_smtp_conversation_is_captured(
    smtp_receiver: SmtpReceiver, certificates: Certificates, adapter: HTTPAdapter
) -> None:
    with capture(adapter) as evidence:
        talk(smtp_receiver, certificates.client())
    replies = [(reply.verb, reply.code) for reply in evidence if isinstance(reply, SmtpReply)]
    assert replies == [
        ("connect", 220),
        ("ehlo", 250),
        ("starttls", 220),
        ("ehlo", 250),
        ("auth", 235),
        ("mail", 250),
        ("rcpt", 250),
        ("data", 354),
        ("data", 250),
    ]


def test_smtp_refusal_is_the_last_evidence(
    smtp_receiver: SmtpReceiver, certificates: Certificates, adapter: HTTPAdapter
) -> None:
    smtp_receiver.reply(Stage.RCPT, "550 5.1.1 unknown")
    with capture(adapter) as evidence, pytest.raises(smtplib.SMTPRecipientsRefused):
        talk(smtp_receiver, certificates.client())
    assert evidence[-1] == SmtpReply("rcpt", 550, "5.1.1 unknown")


def test_no_evidence_holds_the_password(
    smtp_receiver: SmtpReceiver, certificates: Certificates, adapter: HTTPAdapter
) -> None:
    with capture(adapter) as evidence, pytest.raises(smtplib.SMTPAuthenticationError):
        talk(smtp_receiver, certificates.client(), "wrong-password")
    assert isinstance(evidence[-1], SmtpReply)
    assert (evidence[-1].verb, evidence[-1].code) == ("auth", 535)
    assert "wrong-password" not in repr(evidence)


def test_smtp_failure_names_its_step(smtp_receiver: SmtpReceiver, adapter: HTTPAdapter) -> None:
    with capture(adapter) as evidence, pytest.raises(ssl.SSLError):
        talk(smtp_receiver, ssl.create_default_context())
    assert isinstance(evidence[-1], Failure)
    assert evidence[-1].stage == "starttls"


def test_refused_smtp_connection_is_captured(
    smtp_receiver: SmtpReceiver, certificates: Certificates, adapter: HTTPAdapter
) -> None:
    smtp_receiver.down()
    with capture(adapter) as evidence, pytest.raises(OSError, match="refused"):
        talk(smtp_receiver, certificates.client())
    assert isinstance(evidence[-1], Failure)
    assert evidence[-1].stage == "connect"


def test_tls_of_requests_trusts_the_environments_bundle(
    https_receiver: HttpReceiver,
    certificates: Certificates,
    adapter: HTTPAdapter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_environment(monkeypatch, certificates.environment)
    with capture(adapter) as evidence:
        requests.get(https_receiver.url, timeout=PATIENCE_SECONDS)
    assert evidence == [HttpReply(200, b"ok")]
