"""HTTP answers as Outcomes: the status first, then what Slack and Twilio say in the body.

Sources: RFC 9110 and RFC 6585 for the statuses; Slack's "Error handling for incoming webhooks"
and chat.postMessage errors; Twilio's "Error and Warning Dictionary".
"""

from __future__ import annotations

import json
from typing import Final

from channels.alert import SENT, Outcome, Reason, Status
from channels.wire import HttpReply

_UNAVAILABLE: Final = {
    408: Reason.TIMEOUT,
    # A receiver that is still at work on an earlier try with this Idempotency-Key answers so.
    409: Reason.BUSY,
    423: Reason.BUSY,
    425: Reason.BUSY,
    429: Reason.RATE_LIMITED,
}
# These speak of the address, the credentials or the method, never of this one message.
_MISCONFIGURED: Final = {
    401: Reason.UNAUTHORIZED,
    402: Reason.FORBIDDEN,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    405: Reason.METHOD_NOT_ALLOWED,
    407: Reason.PROXY_AUTHENTICATION,
    410: Reason.NOT_FOUND,
    451: Reason.FORBIDDEN,
    511: Reason.UNAUTHORIZED,
}
_REFUSED: Final = {
    400: Reason.BAD_REQUEST,
    413: Reason.TOO_LARGE,
    422: Reason.UNPROCESSABLE,
}

_SLACK_HOSTS: Final = ("slack.com", "slack-gov.com")
_SLACK: Final = {
    Reason.UNAUTHORIZED: (
        "invalid_auth not_authed account_inactive token_expired token_revoked no_service "
        "no_service_id no_team team_disabled invalid_token"
    ),
    Reason.FORBIDDEN: (
        "access_denied missing_scope no_permission not_allowed_token_type action_prohibited "
        "org_login_required ekm_access_denied team_access_not_granted restricted_action "
        "posting_to_general_channel_denied"
    ),
    Reason.NOT_FOUND: (
        "channel_not_found channel_is_archived is_archived not_in_channel user_not_found "
        "users_not_found"
    ),
    Reason.RATE_LIMITED: "ratelimited rate_limited message_limit_exceeded",
    Reason.SERVER_ERROR: (
        "internal_error fatal_error service_unavailable request_timeout rollup_error"
    ),
    Reason.TOO_LARGE: "msg_too_long msg_blocks_too_long too_many_attachments",
    Reason.MESSAGE_REFUSED: "invalid_payload no_text invalid_blocks invalid_attachments",
}
_SLACK_REASONS: Final = {word: reason for reason, words in _SLACK.items() for word in words.split()}

_TWILIO_HOST: Final = "twilio.com"
_TWILIO_REASONS: Final = {
    **dict.fromkeys(
        (21211, 21214, 21217, 21219, 21265, 21407, 21421, 21608, 21610, 21612, 21614, 21635, 63003),
        Reason.UNKNOWN_RECIPIENT,
    ),
    **dict.fromkeys((21602, 21619), Reason.MESSAGE_REFUSED),
    21617: Reason.TOO_LARGE,
    # The number sent from, or the account, is not entitled to.
    **dict.fromkeys(
        (20008, 21210, 21212, 21213, 21408, 21601, 21603, 21606, 21607, 21616, 21659, 21660),
        Reason.FORBIDDEN,
    ),
    **dict.fromkeys((20003, 20006, 21705), Reason.UNAUTHORIZED),
    **dict.fromkeys((20429, 14107, 21611), Reason.RATE_LIMITED),
}

_STATUS_OF: Final = {
    Reason.UNAUTHORIZED: Status.MISCONFIGURED,
    Reason.FORBIDDEN: Status.MISCONFIGURED,
    Reason.NOT_FOUND: Status.MISCONFIGURED,
    Reason.RATE_LIMITED: Status.UNAVAILABLE,
    Reason.SERVER_ERROR: Status.UNAVAILABLE,
    Reason.TOO_LARGE: Status.REFUSED,
    Reason.MESSAGE_REFUSED: Status.REFUSED,
    Reason.UNKNOWN_RECIPIENT: Status.REFUSED,
}


def classify_http(reply: HttpReply) -> Outcome:
    """The outcome of an HTTP answer that was not taken for a success by its status alone.

    A 2xx here means that the service reports an error in the body.
    """
    status, reason = _by_body(reply) or _by_status(reply.status)
    wait = reply.retry_after_seconds if status is Status.UNAVAILABLE else None
    return Outcome(status, reason, _detail(reply), wait)


def classify_cut(reply: HttpReply) -> Outcome:
    """The outcome of an HTTP answer whose body was cut off: the status is the answer.

    But a message is sent only by a request that carried it, and not by a login before it.
    """
    is_good = 200 <= reply.status < 300 and reply.has_message and _by_body(reply) is None
    return SENT if is_good else classify_http(reply)


def classify_webhook(reply: HttpReply) -> Outcome:
    """The outcome of a webhook's answer: any 2xx is a success, whatever the body says."""
    if 200 <= reply.status < 300:
        return SENT
    status, reason = _by_status(reply.status)
    wait = reply.retry_after_seconds if status is Status.UNAVAILABLE else None
    return Outcome(status, reason, _detail(reply), wait)


def _by_status(status: int) -> tuple[Status, Reason]:
    if status in _UNAVAILABLE:
        return Status.UNAVAILABLE, _UNAVAILABLE[status]
    if status in _MISCONFIGURED:
        return Status.MISCONFIGURED, _MISCONFIGURED[status]
    if status in _REFUSED:
        return Status.REFUSED, _REFUSED[status]
    if 300 <= status < 400:
        return Status.MISCONFIGURED, Reason.REDIRECT
    if 400 <= status < 500:
        return Status.REFUSED, Reason.REFUSED_STATUS
    if status >= 500:
        return Status.UNAVAILABLE, Reason.SERVER_ERROR
    return Status.UNAVAILABLE, Reason.SERVICE_ERROR


def _by_body(reply: HttpReply) -> tuple[Status, Reason] | None:
    # A status of the server itself, or of a proxy, says more than a body that quotes a code.
    if reply.status in (401, 407, 408, 429) or reply.status >= 500 or 300 <= reply.status < 400:
        return None
    reason: Reason | None = None
    if _is_of(reply.host, *_SLACK_HOSTS):
        reason = _SLACK_REASONS.get(_slack_error(reply.body))
    elif _is_of(reply.host, _TWILIO_HOST):
        reason = _TWILIO_REASONS.get(_twilio_code(reply.body))
    return None if reason is None else (_STATUS_OF[reason], reason)


def _is_of(host: str, *domains: str) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _slack_error(body: bytes) -> str:
    document = _document(body)
    return str(document.get("error", "")) if document else _text(body).strip()


def _twilio_code(body: bytes) -> int:
    code = _document(body).get("code")
    return code if isinstance(code, int) else 0


def _document(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _detail(reply: HttpReply) -> str:
    said = " ".join(_text(reply.body).split())
    return f"HTTP {reply.status}: {said}" if said else f"HTTP {reply.status}"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
