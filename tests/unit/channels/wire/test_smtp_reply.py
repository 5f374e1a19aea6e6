"""SMTP replies as outcomes."""

from __future__ import annotations

import pytest

from channels.alert import SENT, Reason, Status
from channels.wire.capture import SmtpReply
from channels.wire.outcomes import classify_smtp

R, U, M = Status.REFUSED, Status.UNAVAILABLE, Status.MISCONFIGURED

LAST = [
    ("connect", 421, "too many connections", (U, Reason.SMTP_TEMPORARY)),
    ("connect", 554, "no service for you", (M, Reason.FORBIDDEN)),
    ("ehlo", 550, "bad name", (M, Reason.FORBIDDEN)),
    ("starttls", 454, "TLS not available", (U, Reason.SMTP_TEMPORARY)),
    ("starttls", 501, "no parameters", (M, Reason.TLS)),
    ("auth", 535, "5.7.8 bad credentials", (M, Reason.SMTP_AUTHENTICATION)),
    ("auth", 534, "5.7.9 too weak", (M, Reason.SMTP_AUTHENTICATION)),
    ("auth", 500, "what?", (M, Reason.SMTP_AUTHENTICATION)),
    ("auth", 454, "4.7.0 try later", (U, Reason.SMTP_TEMPORARY)),
    ("mail", 530, "5.7.0 authentication required", (M, Reason.SMTP_AUTHENTICATION)),
    ("mail", 550, "5.7.1 not your address", (M, Reason.FORBIDDEN)),
    ("mail", 553, "sender unknown", (M, Reason.FORBIDDEN)),
    ("mail", 550, "5.4.5 Daily user sending limit exceeded", (U, Reason.RATE_LIMITED)),
    ("mail", 553, "5.1.8 sender's domain does not exist", (M, Reason.FORBIDDEN)),
    ("mail", 550, "5.7.60 no permission to send as this sender", (M, Reason.FORBIDDEN)),
    ("mail", 552, "5.3.4 too large", (R, Reason.TOO_LARGE)),
    ("mail", 451, "4.3.0 busy", (U, Reason.SMTP_TEMPORARY)),
    ("rcpt", 550, "5.1.1 unknown", (R, Reason.UNKNOWN_RECIPIENT)),
    ("rcpt", 550, "no such user", (R, Reason.UNKNOWN_RECIPIENT)),
    ("rcpt", 551, "not local", (R, Reason.UNKNOWN_RECIPIENT)),
    ("rcpt", 553, "5.1.3 bad syntax", (R, Reason.UNKNOWN_RECIPIENT)),
    ("rcpt", 554, "5.7.1 relay access denied", (M, Reason.FORBIDDEN)),
    ("rcpt", 550, "5.7.54 unable to relay", (M, Reason.FORBIDDEN)),
    ("rcpt", 530, "authentication required", (M, Reason.SMTP_AUTHENTICATION)),
    ("rcpt", 550, "5.7.8 log in first", (M, Reason.SMTP_AUTHENTICATION)),
    ("rcpt", 550, "5.1.8 sender's domain does not exist", (M, Reason.FORBIDDEN)),
    ("rcpt", 550, "5.4.5 Daily user sending limit exceeded", (U, Reason.RATE_LIMITED)),
    ("rcpt", 550, "5.4.1 recipient address rejected", (R, Reason.UNKNOWN_RECIPIENT)),
    ("rcpt", 550, "5.2.1 mailbox disabled", (R, Reason.UNKNOWN_RECIPIENT)),
    ("rcpt", 552, "5.2.3 too large for this mailbox", (R, Reason.TOO_LARGE)),
    ("rcpt", 450, "4.7.1 greylisted", (U, Reason.SMTP_TEMPORARY)),
    ("rcpt", 552, "mailbox full", (U, Reason.SMTP_TEMPORARY)),
    ("rcpt", 550, "5.2.2 over quota", (U, Reason.SMTP_TEMPORARY)),
    ("rcpt", 450, "4.2.0 greylisted", (U, Reason.SMTP_TEMPORARY)),
    ("rcpt", 421, "bye", (U, Reason.SMTP_TEMPORARY)),
    ("data", 554, "5.7.1 looks like spam", (R, Reason.MESSAGE_REFUSED)),
    ("data", 550, "no", (R, Reason.MESSAGE_REFUSED)),
    ("data", 550, "5.7.26 this mail is unauthenticated", (M, Reason.FORBIDDEN)),
    ("data", 550, "5.7.25 no PTR record", (M, Reason.FORBIDDEN)),
    ("data", 550, "5.7.28 a flood of mails", (U, Reason.RATE_LIMITED)),
    ("data", 550, "5.4.5 Daily user sending limit exceeded", (U, Reason.RATE_LIMITED)),
    ("data", 550, "5.1.1 unknown", (R, Reason.UNKNOWN_RECIPIENT)),
    ("data", 552, "5.2.2 mailbox full", (U, Reason.SMTP_TEMPORARY)),
    ("data", 552, "5.2.3 too large for this mailbox", (R, Reason.TOO_LARGE)),
    ("data", 421, "4.7.0 try later", (U, Reason.SMTP_TEMPORARY)),
    ("data", 552, "too much", (R, Reason.TOO_LARGE)),
    ("data", 554, "5.3.4 too big", (R, Reason.TOO_LARGE)),
    ("data", 452, "4.3.1 disk full", (U, Reason.SMTP_TEMPORARY)),
    ("data", -1, "garbage", (U, Reason.SERVICE_ERROR)),
    ("rcpt", 354, "odd", (U, Reason.SERVICE_ERROR)),
]


@pytest.mark.parametrize(("verb", "code", "text", "expected"), LAST)
def test_last_reply_decides(
    verb: str, code: int, text: str, expected: tuple[Status, Reason]
) -> None:
    outcome = classify_smtp((SmtpReply("ehlo", 250), SmtpReply(verb, code, text)))
    assert (outcome.status, outcome.reason) == expected
    assert outcome.detail == f"SMTP {code} to {verb.upper()}: {text}"


def conversation(*replies: tuple[str, int, str]) -> tuple[SmtpReply, ...]:
    return tuple(SmtpReply(*reply) for reply in replies)


def test_mail_taken_for_its_recipient_is_sent_though_a_copy_was_refused() -> None:
    replies = conversation(
        ("rcpt", 250, ""), ("rcpt", 550, "5.1.1 no"), ("data", 354, ""), ("data", 250, "")
    )
    assert classify_smtp(replies) == SENT


def test_mail_taken_only_for_a_copy_is_not_sent() -> None:
    replies = conversation(
        ("rcpt", 550, "5.1.1 no"), ("rcpt", 250, ""), ("data", 354, ""), ("data", 250, "")
    )
    assert classify_smtp(replies).reason is Reason.UNKNOWN_RECIPIENT


def test_a_reply_to_a_whole_mail_that_cannot_be_read_confirms_nothing() -> None:
    outcome = classify_smtp(conversation(("data", 354, ""), ("data", -1, "garbage")))
    assert (outcome.status, outcome.reason) == (U, Reason.UNCONFIRMED)


def test_recipients_refusal_counts_before_that_of_a_copy() -> None:
    replies = conversation(("rcpt", 450, "4.2.0 later"), ("rcpt", 550, "5.1.1 no"))
    assert classify_smtp(replies).status is Status.UNAVAILABLE


def test_detail_is_one_line_and_whole() -> None:
    outcome = classify_smtp((SmtpReply("data", 554, "5.7.1 one\n5.7.1 two " + "x" * 3_000),))
    assert outcome.detail == "SMTP 554 to DATA: 5.7.1 one 5.7.1 two " + "x" * 3_000
