"""From what happened on the wire to an Outcome: a pure function with its tables.

The last thing that happened decides. Where nothing tells, the answer is `unavailable`: it is tried
again and in the end holds the channel, so that no alert is lost on a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from channels.alert import SENT, Outcome, Reason, Status
from channels.failures import classify_failure, is_pause
from channels.http_status import classify_cut, classify_http
from channels.smtp_reply import classify_smtp
from channels.wire import Evidence, Failure, HttpReply, SmtpReply


def classify(is_accepted: bool, evidence: Sequence[Evidence]) -> Outcome:
    """The outcome of one try.

    `is_accepted` is what the plugin said; it counts unless the last HTTP answer contradicts it
    (a followed redirect, say). `evidence` is in order. The outcome's detail is long, and may hold
    secrets that the server sent back: `channels.detail.safe` redacts and then cuts it.
    """
    last = evidence[-1] if evidence else None
    if is_accepted and not (isinstance(last, HttpReply) and last.status >= 300):
        return SENT
    if last is None:
        return Outcome(Status.UNAVAILABLE, Reason.UNKNOWN, "the service gave no reason")
    if isinstance(last, HttpReply):
        # A plugin that found half an answer can't tell what became of its message.
        return classify_http(last) if last.is_whole else classify_cut(last)
    if isinstance(last, Failure):
        outcome = classify_failure(last)
        is_unsent = is_pause(last) and not any(map(_may_have_message, evidence[:-1]))
        return replace(outcome, is_unsent=is_unsent)
    return classify_smtp(tuple(_smtp_replies(evidence)))


def _may_have_message(entry: Evidence) -> bool:
    return not isinstance(entry, HttpReply) or entry.has_message


def _smtp_replies(evidence: Sequence[Evidence]) -> Iterator[SmtpReply]:
    return (entry for entry in evidence if isinstance(entry, SmtpReply))
