"""Evidence as outcomes: the last thing that happened decides."""

from __future__ import annotations

from channels.alert import SENT, Reason, Status
from channels.classify import classify
from channels.wire import Evidence, Failure, HttpReply, SmtpReply


def test_what_the_plugin_took_for_a_success_is_sent() -> None:
    for evidence in ((), (HttpReply(200),), (SmtpReply("data", 250),)):
        assert classify(True, evidence) == SENT


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
