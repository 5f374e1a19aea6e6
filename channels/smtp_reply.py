"""SMTP replies as Outcomes.

Sources: RFC 5321 for the codes, RFC 3463 for the enhanced ones (`5.1.1`), RFC 4954 for AUTH.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from channels.alert import SENT, Outcome, Reason, Status
from channels.wire import SmtpReply, is_handed_over

_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_AUTHENTICATION_CODES: Final = frozenset({530, 534, 535, 538})
_TOO_LARGE: Final = ("5.2.3", "5.3.4")


def classify_smtp(replies: Sequence[SmtpReply]) -> Outcome:
    """The outcome of a conversation that Apprise took for a failure; the last reply decides.

    One mail has one recipient, the first RCPT; those after it are copies. A mail that was taken
    for the recipient is sent, even where a copy was refused: trying again would repeat it.
    """
    last = replies[-1]
    recipient = next((reply for reply in replies if reply.verb == "rcpt"), last)
    if is_handed_over(replies[:-1]) and _is_good(last):
        if _is_good(recipient):
            return SENT
        last = recipient
    elif last.verb == "rcpt" and not _is_good(recipient):
        last = recipient
    status, reason = _judge(last)
    return Outcome(status, reason, _detail(last))


def _is_good(reply: SmtpReply) -> bool:
    return 200 <= reply.code < 300


def _judge(reply: SmtpReply) -> tuple[Status, Reason]:
    if 400 <= reply.code < 500:
        return Status.UNAVAILABLE, Reason.SMTP_TEMPORARY
    if not 500 <= reply.code < 600:
        return Status.UNAVAILABLE, Reason.SERVICE_ERROR
    if reply.verb == "auth" or reply.code in _AUTHENTICATION_CODES:
        return Status.MISCONFIGURED, Reason.SMTP_AUTHENTICATION
    if reply.verb == "starttls":
        return Status.MISCONFIGURED, Reason.TLS
    if reply.verb == "rcpt":
        return _judge_recipient(reply)
    if reply.verb in ("mail", "data") and (reply.code == 552 or _enhanced(reply) in _TOO_LARGE):
        return Status.REFUSED, Reason.TOO_LARGE
    if reply.verb == "data":
        return Status.REFUSED, Reason.MESSAGE_REFUSED
    # The greeting, EHLO and MAIL FROM are the same for every message: a setting is wrong.
    return Status.MISCONFIGURED, Reason.FORBIDDEN


def _judge_recipient(reply: SmtpReply) -> tuple[Status, Reason]:
    enhanced = _enhanced(reply)
    if enhanced.startswith("5.7."):
        # "Relaying denied": the server does not know us, whoever the recipient is.
        return Status.MISCONFIGURED, Reason.FORBIDDEN
    if reply.code == 552 or enhanced == "5.2.2":
        # A full mailbox is emptied some day.
        return Status.UNAVAILABLE, Reason.SMTP_TEMPORARY
    return Status.REFUSED, Reason.UNKNOWN_RECIPIENT


def _enhanced(reply: SmtpReply) -> str:
    found = _ENHANCED.match(reply.text)
    return found[1] if found else ""


def _detail(reply: SmtpReply) -> str:
    said = " ".join(reply.text.split())
    return f"SMTP {reply.code} to {reply.verb.upper()}: {said}".rstrip(": ")
