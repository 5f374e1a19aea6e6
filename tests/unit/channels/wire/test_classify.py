"""Evidence as outcomes: the last thing that happened decides."""

from __future__ import annotations

from channels.alert import SENT, Reason, Status
from channels.wire.capture import Evidence, Failure, HttpReply, PauseError, SmtpReply
from channels.wire.outcomes import classify, classify_webhook


def test_what_the_plugin_took_for_a_success_is_sent() -> None:
    for evidence in ((), (HttpReply(200),), (SmtpReply("data", 250),)):
        assert classify(True, evidence) == SENT


def test_what_took_the_message_has_answered() -> None:
    cases: list[tuple[list[Evidence], str]] = [
        ([HttpReply(401), HttpReply(200, b"o\nk")], "HTTP 200: o k"),
        ([SmtpReply("rcpt", 250, "ok"), SmtpReply("data", 250, "2.0.0 as 17")],
         "SMTP 250 to DATA: 2.0.0 as 17"),
        ([HttpReply(204)], "HTTP 204"),
        ([], ""),
    ]  # fmt: skip
    for evidence, answer in cases:
        assert classify(True, evidence).answer == answer
    assert classify_webhook(HttpReply(202, b"taken")).answer == "HTTP 202: taken"


def test_redirect_is_no_success_whatever_the_plugin_says() -> None:
    outcome = classify(True, [HttpReply(302)])
    assert (outcome.status, outcome.reason) == (Status.MISCONFIGURED, Reason.REDIRECT)


def test_failure_without_evidence_may_pass() -> None:
    outcome = classify(False, [])
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.UNKNOWN)


def test_last_evidence_decides() -> None:
    cases: list[tuple[list[Evidence], Reason]] = [
        ([HttpReply(200), HttpReply(404)], Reason.NOT_FOUND),
        ([HttpReply(503), Failure("http", TimeoutError())], Reason.TIMEOUT),
        ([SmtpReply("connect", 220), SmtpReply("auth", 535)], Reason.SMTP_AUTHENTICATION),
        ([SmtpReply("connect", 220), Failure("starttls", ConnectionResetError())],
         Reason.CONNECTION),
    ]  # fmt: skip
    for evidence, reason in cases:
        assert classify(False, evidence).reason is reason


def test_a_message_that_may_have_arrived_is_unconfirmed_whatever_fails_after_it() -> None:
    sent = Failure("http", TimeoutError(), has_message=True)
    assert classify(False, [sent]).reason is Reason.UNCONFIRMED
    assert classify(False, [sent, Failure("http", TimeoutError())]).reason is Reason.UNCONFIRMED
    assert classify(False, [sent, HttpReply(404)]).reason is Reason.NOT_FOUND


def test_a_pause_is_unsent_where_no_request_can_have_carried_the_message() -> None:
    pause = Failure("plugin", PauseError(7.0))
    cases: list[tuple[list[Evidence], bool]] = [
        ([pause], True),
        ([HttpReply(200), HttpReply(429), pause], True),
        ([HttpReply(429, has_message=True), pause], False),
        ([HttpReply(200, has_message=True), HttpReply(429), pause], False),
        ([Failure("http", TimeoutError()), pause], False),
        ([Failure("plugin", ValueError())], False),
        ([HttpReply(429, retry_after_seconds=7.0)], False),
    ]
    for evidence, is_unsent in cases:
        assert classify(False, evidence).is_unsent is is_unsent
    outcome = classify(False, [pause])
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.RATE_LIMITED)
    assert outcome.retry_after_seconds == 7.0
