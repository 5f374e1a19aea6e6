"""What the plan's blocks send, with unmodified Apprise, and what answers mean."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from channels.alert import SENT, Outcome, Reason, Status
from channels.definitions.notification_block import notification_targets
from channels.redact import redact
from tests.conftest import SMTP_PASSWORD, SMTP_USERNAME
from tests.support.answers import HANG, RESET, Answer
from tests.support.certificates import Certificates
from tests.support.dripping import DrippingServer
from tests.support.services import SLACK, TWILIO, Services
from tests.support.smtp_receiver import SmtpReceiver, Stage
from tests.unit.channels.notification_blocks import (
    EMAIL,
    SLACK_BLOCK,
    SMS,
    VARIABLES,
    targets,
)
from tests.unit.channels.samples import TEXT, alert


def test_mail_arrives_whole(trusted: None, smtp_receiver: SmtpReceiver) -> None:
    first, second = targets("email", EMAIL, smtp_port=smtp_receiver.port)
    assert first.send(alert(message="🚨 one\n\n<b>ABC123</b> & co"), "k") == SENT
    assert second.send(alert(), "k") == SENT
    mail, other = smtp_receiver.wait_for(2)
    assert (mail.recipients, other.recipients) == (("a@example.org",), ("b@example.org",))
    assert (mail.username, mail.encrypted) == (SMTP_USERNAME, True)
    message = mail.message
    assert message["From"] == '"Alerts, Inc" <alerts@example.org>'
    assert message["To"] == "a@example.org"
    assert message["Subject"] == "[HIGH] Watchlist Plate: 🚨 one"
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "<div>&lt;b&gt;ABC123&lt;/b&gt; &amp; co</div>" in html.get_content()
    assert text.get_content().splitlines()[:3] == ["🚨 one", "", "<b>ABC123</b> & co"]
    assert "https://img.example.org/p.jpg?a=1&b=2" in text.get_content()


def test_line_ends_in_data_never_become_headers(trusted: None, smtp_receiver: SmtpReceiver) -> None:
    target, *_ = targets("email", EMAIL, smtp_port=smtp_receiver.port)
    evil = "x\r\nBcc: evil@example.org\r\n\r\nbody"
    assert target.send(alert(message=evil, rule_name=evil), "k") == SENT
    (mail,) = smtp_receiver.wait_for(1)
    assert mail.recipients == ("a@example.org",)
    assert mail.message["Bcc"] is None
    assert mail.message["Subject"] == "[HIGH] x Bcc: evil@example.org body: x"


def test_mail_over_smtps(trusted: None, certificates: Certificates) -> None:
    with SmtpReceiver(
        certificates.local_server(), SMTP_USERNAME, SMTP_PASSWORD, implicit=True
    ) as receiver:
        target, *_ = targets("email", EMAIL, smtp_port=receiver.port, use_tls=False)
        assert target.send(alert(), "k") == SENT
        other, *_ = targets("email", EMAIL, smtp_port=receiver.port, tls="ssl")
        assert other.send(alert(), "k") == SENT
        assert all(mail.encrypted for mail in receiver.wait_for(2))


@pytest.fixture
def relay(certificates: Certificates) -> Iterator[SmtpReceiver]:
    """A mail server that takes mails as they come, and offers TLS and a login."""
    tls = certificates.local_server()
    with SmtpReceiver(tls, SMTP_USERNAME, SMTP_PASSWORD, relay=True) as running:
        yield running


@pytest.mark.parametrize(("tls", "is_encrypted"), [("none", False), ("starttls", True)])
@pytest.mark.parametrize("has_login", [False, True])
def test_mail_is_encrypted_only_as_tls_says(
    trusted: None, relay: SmtpReceiver, tls: str, is_encrypted: bool, has_login: bool
) -> None:
    login = {} if has_login else {"username": None, "password": None}
    target, *_ = targets("email", EMAIL, smtp_port=relay.port, tls=tls, **login)
    assert target.send(alert(), "k") == SENT
    (mail,) = relay.wait_for(1)
    assert (mail.encrypted, mail.username) == (is_encrypted, SMTP_USERNAME if has_login else "")


def test_mail_that_must_be_encrypted_is_not_sent_without(
    trusted: None, certificates: Certificates
) -> None:
    with SmtpReceiver(certificates.local_server(), SMTP_USERNAME, SMTP_PASSWORD) as strict:
        login = {"username": None, "password": None}
        target, *_ = targets("email", EMAIL, smtp_port=strict.port, tls="none", **login)
        assert target.send(alert(), "k").status is Status.MISCONFIGURED
        assert strict.mails.all() == []


def test_mail_shows_the_time_of_the_readers(trusted: None, smtp_receiver: SmtpReceiver) -> None:
    block = {**EMAIL, "smtp_port": smtp_receiver.port}
    target, *_ = notification_targets(
        "email", block, VARIABLES, ZoneInfo("Europe/Berlin")
    ).checked()
    assert target.send(alert(), "k") == SENT
    (mail,) = smtp_receiver.wait_for(1)
    text = mail.message.get_body(("plain",))
    assert text is not None
    assert "- Captured at: 2025-12-25 17:00:00 CET" in text.get_content().splitlines()
    assert "2025-12-25T16:00:00Z" not in text.get_content()


@pytest.mark.parametrize(
    ("stage", "reply", "expected"),
    [
        (Stage.AUTH, "535 5.7.8 no", (Status.MISCONFIGURED, Reason.SMTP_AUTHENTICATION)),
        (Stage.AUTH, "454 4.7.0 later", (Status.UNAVAILABLE, Reason.SMTP_TEMPORARY)),
        (Stage.MAIL, "550 5.7.1 not you", (Status.MISCONFIGURED, Reason.FORBIDDEN)),
        (Stage.RCPT, "550 5.1.1 unknown", (Status.REFUSED, Reason.UNKNOWN_RECIPIENT)),
        (Stage.RCPT, "450 4.2.0 greylisted", (Status.UNAVAILABLE, Reason.SMTP_TEMPORARY)),
        (Stage.DATA, "554 5.7.1 spam", (Status.REFUSED, Reason.MESSAGE_REFUSED)),
        (Stage.DATA, "452 4.3.1 full", (Status.UNAVAILABLE, Reason.SMTP_TEMPORARY)),
    ],
)
def test_mail_servers_reply_decides(
    trusted: None,
    smtp_receiver: SmtpReceiver,
    stage: Stage,
    reply: str,
    expected: tuple[Status, Reason],
) -> None:
    smtp_receiver.reply(stage, reply)
    target, *_ = targets("email", EMAIL, smtp_port=smtp_receiver.port)
    outcome = target.send(alert(), "k")
    assert (outcome.status, outcome.reason) == expected
    assert SMTP_PASSWORD not in outcome.detail


def test_wrong_password_is_misconfigured(trusted: None, smtp_receiver: SmtpReceiver) -> None:
    target, *_ = targets("email", EMAIL, smtp_port=smtp_receiver.port, password="wrong-pass")
    assert target.send(alert(), "k").reason is Reason.SMTP_AUTHENTICATION
    assert smtp_receiver.logins.all()[0].password == "wrong-pass"


def test_untrusted_mail_server_is_misconfigured(
    smtp_receiver: SmtpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    target, *_ = targets("email", EMAIL, smtp_port=smtp_receiver.port)
    outcome = target.send(alert(), "k")
    assert (outcome.status, outcome.reason) == (Status.MISCONFIGURED, Reason.TLS)


def test_mail_server_that_is_down_is_unavailable(
    trusted: None, smtp_receiver: SmtpReceiver
) -> None:
    smtp_receiver.down()
    target, *_ = targets("email", EMAIL, smtp_port=smtp_receiver.port)
    assert target.send(alert(), "k") == Outcome(
        Status.UNAVAILABLE, Reason.CONNECTION, "no connection: Connection refused"
    )


def test_slack_message_arrives_whole(outside: Services) -> None:
    (target,) = targets("slack", SLACK_BLOCK)
    assert target.send(alert(message="hi <!channel> & *b* @here"), "k") == SENT
    (request,) = outside.to(SLACK)
    assert request.path == "/services/T0SECRET1/B0SECRET2/xSECRET3yyyy"
    assert request.json() == {
        "mrkdwn": False,
        "attachments": [
            {
                "title": "[HIGH] Watchlist Plate",
                "text": "hi &lt;!channel&gt; &amp; *b* @\u200bhere\n"
                + request.json()["attachments"][0]["text"].split("\n")[1]
                + "\nPlate image: https://img.example.org/p.jpg?a=1&amp;b=2",
                "color": "#A32037",
            }
        ],
        "username": "Plate Bot",
        "channel": "#alerts",
        "icon_emoji": ":rotating_light:",
    }
    assert request.json()["attachments"][0]["text"].split("\n")[1].startswith("Late by ")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(404, body=b"no_service"), (Status.MISCONFIGURED, Reason.UNAUTHORIZED)),
        (Answer(403, body=b"invalid_token"), (Status.MISCONFIGURED, Reason.UNAUTHORIZED)),
        (Answer(400, body=b"invalid_payload"), (Status.REFUSED, Reason.MESSAGE_REFUSED)),
        (Answer(200, body=b"<html>"), (Status.UNAVAILABLE, Reason.SERVICE_ERROR)),
        (Answer(302, {"Location": "/x"}), (Status.MISCONFIGURED, Reason.REDIRECT)),
        (Answer(429, {"Retry-After": "30"}), (Status.UNAVAILABLE, Reason.RATE_LIMITED)),
        (Answer(503), (Status.UNAVAILABLE, Reason.SERVER_ERROR)),
        (RESET, (Status.UNAVAILABLE, Reason.UNCONFIRMED)),
    ],
)
def test_slacks_answer_decides(
    outside: Services, answer: Answer, expected: tuple[Status, Reason]
) -> None:
    outside.answer(answer)
    (target,) = targets("slack", SLACK_BLOCK)
    outcome = target.send(alert(), "k")
    assert (outcome.status, outcome.reason) == expected
    assert outcome.retry_after_seconds == (30.0 if answer.status == 429 else None)
    assert len(outside.to(SLACK)) == 1


def test_text_message_arrives_whole(outside: Services) -> None:
    first, second = targets("sms", SMS)
    moment = alert(created_at="2999-01-01T00:00:00+00:00")
    assert first.send(moment, "k") == SENT
    assert second.send(moment, "k") == SENT
    requests = outside.to(TWILIO)
    assert [request.form() for request in requests] == [
        {"Body": [TEXT], "From": ["+15550001111"], "To": [number]}
        for number in ("+15551234567", "+15551234568")
    ]
    sid, token = SMS["twilio_account_sid"], SMS["twilio_auth_token"]
    assert requests[0].path == f"/2010-04-01/Accounts/{sid}/Messages.json"
    login = base64.b64encode(f"{sid}:{token}".encode()).decode()
    assert requests[0].headers["authorization"] == f"Basic {login}"
    assert redact(login) == "***"


def test_text_message_may_come_from_a_name(outside: Services) -> None:
    target, _ = targets("sms", SMS, from_number="ACME Cars")
    assert target.send(alert(), "k") == SENT
    (request,) = outside.to(TWILIO)
    assert request.form()["From"] == ["ACME Cars"]


def test_mail_arrives_at_an_address_with_an_apostrophe(
    trusted: None, smtp_receiver: SmtpReceiver
) -> None:
    changes = {"recipients": ["o'brien@example.org"], "from_address": "Gate <o'hara@example.org>"}
    (target,) = targets("email", EMAIL, smtp_port=smtp_receiver.port, **changes)
    assert target.send(alert(), "k") == SENT
    (mail,) = smtp_receiver.wait_for(1)
    assert mail.recipients == ("o'brien@example.org",)
    assert mail.message["From"] == "Gate <o'hara@example.org>"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer.json(400, {"code": 21211, "message": "no"}),
         (Status.REFUSED, Reason.UNKNOWN_RECIPIENT)),
        (Answer.json(400, {"code": 21606}), (Status.MISCONFIGURED, Reason.FORBIDDEN)),
        (Answer.json(401, {"code": 20003}), (Status.MISCONFIGURED, Reason.UNAUTHORIZED)),
        (Answer.json(429, {"code": 20429}), (Status.UNAVAILABLE, Reason.RATE_LIMITED)),
    ],
)  # fmt: skip
def test_twilios_answer_decides(
    outside: Services, answer: Answer, expected: tuple[Status, Reason]
) -> None:
    outside.answer(answer)
    target, _ = targets("sms", SMS)
    outcome = target.send(alert(), "k")
    assert (outcome.status, outcome.reason) == expected


@pytest.mark.parametrize(("name", "block"), [("slack", SLACK_BLOCK), ("sms", SMS)])
def test_a_send_of_a_block_ends_after_its_timeout(
    outside: Services, name: str, block: Mapping[str, Any]
) -> None:
    outside.answer(HANG)
    target, *_ = targets(name, block, timeout="2.5")
    outcome = target.send(alert(), "k")
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.UNCONFIRMED)


def test_a_mail_of_the_block_ends_after_its_timeout() -> None:
    with DrippingServer(lambda conversation: conversation.drip(b"220-")) as server:
        target, *_ = targets("email", EMAIL, smtp_port=server.port, timeout=0.5)
        outcome = target.send(alert(), "k")
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.TIMEOUT)
