"""Turns the evidence of a send into an `Outcome`: exceptions, HTTP answers, SMTP replies.

`classify` is for the sends of Apprise's plugins, `classify_webhook` for those of webhooks.
"""

from __future__ import annotations

import json
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import requests
import urllib3.exceptions

from channels.alert import SENT, Outcome, Reason, Status
from channels.wire.capture import (
    Evidence,
    Failure,
    HttpReply,
    PauseError,
    SmtpReply,
    is_mail_input_started,
)

# Exceptions.
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3})")
# The server closed the connection during the handshake: nothing is wrong with certificates.
_HANDSHAKE_ENDS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_TIMEOUTS: Final = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
# urllib3 counts a refused connection among its timeouts.
_REFUSED_CONNECTIONS: Final = (urllib3.exceptions.NewConnectionError,)
_NAME_ERRORS: Final = (socket.gaierror, urllib3.exceptions.NameResolutionError)
_DISCONNECTS: Final = (smtplib.SMTPServerDisconnected, requests.ConnectionError)
_UNUSABLE_ADDRESSES: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidProxyURL,
)

# HTTP.
_UNAVAILABLE: Final = {
    408: Reason.TIMEOUT,
    # The answer of a receiver that still handles an earlier try with this Idempotency-Key.
    409: Reason.BUSY,
    423: Reason.BUSY,
    425: Reason.BUSY,
    429: Reason.RATE_LIMITED,
}
# These are about the address, the credentials or the method, never about this message.
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
    # The account, or the number that it sends from, has no permission for it.
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

# SMTP.
_ENHANCED_CODE: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_AUTHENTICATION_CODES: Final = frozenset({530, 534, 535, 538})
_TOO_LARGE: Final = ("5.2.3", "5.3.4")


def classify(is_accepted: bool, evidence: Sequence[Evidence]) -> Outcome:
    """The outcome of one try of a plugin.

    `is_accepted` is what the plugin returned; it counts unless the last HTTP answer contradicts it
    (a followed redirect, say). `evidence` is in order. The outcome's detail may be long, and may
    hold secrets that the server sent back: give it to `channels.redact.redact_outcome`.
    """
    last = evidence[-1] if evidence else None
    if is_accepted and not (isinstance(last, HttpReply) and last.status >= 300):
        return SENT
    if last is None:
        return Outcome(Status.UNAVAILABLE, Reason.UNKNOWN, "the service gave no reason")
    if isinstance(last, HttpReply):
        # From half an answer, the plugin can't know whether the message was taken.
        return classify_http(last) if last.is_whole else _classify_cut(last)
    if isinstance(last, Failure):
        outcome = classify_failure(last)
        is_pause = isinstance(last.error, PauseError)
        is_unsent = is_pause and not any(map(_may_have_message, evidence[:-1]))
        return replace(outcome, is_unsent=is_unsent)
    return classify_smtp([each for each in evidence if isinstance(each, SmtpReply)])


def classify_failure(failure: Failure) -> Outcome:
    """The outcome of an exception; its detail is our own text, which holds no address."""
    chain = tuple(_chain(failure.error))
    if isinstance(pause := failure.error, PauseError):
        return Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, str(pause), pause.seconds)
    for status in map(_tunnel_status, chain):
        if status is not None:
            return _of_proxy(status)
    if any(isinstance(error, smtplib.SMTPNotSupportedError) for error in chain):
        return _not_offered(failure.stage)
    if any(isinstance(error, _NAME_ERRORS) for error in chain):
        return Outcome(
            Status.MISCONFIGURED, Reason.NAME_RESOLUTION, "the host's name can't be resolved"
        )
    if any(isinstance(e, _TIMEOUTS) and not isinstance(e, _REFUSED_CONNECTIONS) for e in chain):
        return Outcome(Status.UNAVAILABLE, Reason.TIMEOUT, "no answer in time")
    tls = next((error for error in chain if isinstance(error, ssl.SSLError)), None)
    if tls is not None and not isinstance(tls, _HANDSHAKE_ENDS):
        return Outcome(Status.MISCONFIGURED, Reason.TLS, _tls_detail(tls))
    if any(isinstance(error, _UNUSABLE_ADDRESSES) for error in chain):
        return Outcome(
            Status.MISCONFIGURED, Reason.UNKNOWN, f"unusable address ({_name(failure.error)})"
        )
    if any(isinstance(error, (OSError, *_DISCONNECTS)) for error in chain):
        return Outcome(Status.UNAVAILABLE, Reason.CONNECTION, _connection_detail(chain))
    return Outcome(Status.UNAVAILABLE, Reason.UNKNOWN, f"the send failed ({_name(failure.error)})")


def classify_http(reply: HttpReply) -> Outcome:
    """The outcome of an HTTP answer to a plugin that reports a failure.

    After a 2xx, the service has reported an error in the body.
    """
    return _http_outcome(reply, *(_by_body(reply) or _by_status(reply.status)))


def classify_webhook(reply: HttpReply) -> Outcome:
    """The outcome of a webhook's answer; any 2xx is a success, whatever the body says."""
    if 200 <= reply.status < 300:
        return SENT
    return _http_outcome(reply, *_by_status(reply.status))


def classify_smtp(replies: Sequence[SmtpReply]) -> Outcome:
    """The outcome of a conversation that Apprise reports as a failure; the last reply decides.

    The first RCPT is the mail's recipient, and later ones are copies. A mail that the server took
    for its recipient is sent, even where it refused a copy: another try would repeat the mail.
    """
    last = replies[-1]
    recipient = next((reply for reply in replies if reply.verb == "rcpt"), last)
    if is_mail_input_started(replies[:-1]) and _is_positive(last):
        if _is_positive(recipient):
            return SENT
        last = recipient
    elif last.verb == "rcpt" and not _is_positive(recipient):
        last = recipient
    status, reason = _by_code(last)
    return Outcome(status, reason, _smtp_detail(last))


def _may_have_message(entry: Evidence) -> bool:
    return not isinstance(entry, HttpReply) or entry.has_message


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all its causes; urllib3 and requests nest them in `args` and `reason`."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [*current.args, getattr(current, "reason", None)]
        waiting += [current.__cause__, current.__context__]


def _tunnel_status(error: BaseException) -> int | None:
    if not isinstance(error, OSError):
        return None
    found = _TUNNEL.search(str(error.args[0]) if error.args else "")
    return int(found[1]) if found else None


def _of_proxy(status: int) -> Outcome:
    detail = f"the proxy answered {status}"
    if status == 407:
        return Outcome(Status.MISCONFIGURED, Reason.PROXY_AUTHENTICATION, detail)
    if status >= 500 or status in (408, 429):
        return Outcome(Status.UNAVAILABLE, Reason.SERVER_ERROR, detail)
    return Outcome(Status.MISCONFIGURED, Reason.FORBIDDEN, detail)


def _not_offered(stage: str) -> Outcome:
    if stage == "starttls":
        return Outcome(Status.MISCONFIGURED, Reason.TLS, "the server does not offer STARTTLS")
    if stage == "login":
        return Outcome(
            Status.MISCONFIGURED, Reason.SMTP_AUTHENTICATION, "the server does not offer AUTH"
        )
    return Outcome(Status.REFUSED, Reason.MESSAGE_REFUSED, "the server lacks an extension")


def _tls_detail(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate is not valid: {error.verify_message}"
    return f"TLS: {getattr(error, 'reason', '') or _name(error)}"


def _connection_detail(chain: tuple[BaseException, ...]) -> str:
    # The text of an OSError with a number is the system's, which holds no address.
    system = next((e for e in chain if isinstance(e, OSError) and e.errno and e.strerror), None)
    if system is not None and not isinstance(system, ssl.SSLError):
        return f"no connection: {system.strerror}"
    return "the connection was closed without an answer"


def _name(error: BaseException) -> str:
    return type(error).__name__


def _classify_cut(reply: HttpReply) -> Outcome:
    """The outcome of an HTTP answer whose body was cut off, by its status.

    A 2xx is a success only for a request that had the message, and not for a login before it.
    """
    is_good = 200 <= reply.status < 300 and reply.has_message and _by_body(reply) is None
    return SENT if is_good else classify_http(reply)


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
    # These come from the server itself or from a proxy; a code that the body quotes says less.
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


def _http_outcome(reply: HttpReply, status: Status, reason: Reason) -> Outcome:
    body = " ".join(_text(reply.body).split())
    detail = f"HTTP {reply.status}: {body}" if body else f"HTTP {reply.status}"
    wait = reply.retry_after_seconds if status is Status.UNAVAILABLE else None
    return Outcome(status, reason, detail, wait)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _is_positive(reply: SmtpReply) -> bool:
    return 200 <= reply.code < 300


def _by_code(reply: SmtpReply) -> tuple[Status, Reason]:
    if 400 <= reply.code < 500:
        return Status.UNAVAILABLE, Reason.SMTP_TEMPORARY
    if not 500 <= reply.code < 600:
        return Status.UNAVAILABLE, Reason.SERVICE_ERROR
    if reply.verb == "auth" or reply.code in _AUTHENTICATION_CODES:
        return Status.MISCONFIGURED, Reason.SMTP_AUTHENTICATION
    if reply.verb == "starttls":
        return Status.MISCONFIGURED, Reason.TLS
    if reply.verb == "rcpt":
        return _by_recipient_code(reply)
    if reply.verb in ("mail", "data") and (
        reply.code == 552 or _enhanced_code(reply) in _TOO_LARGE
    ):
        return Status.REFUSED, Reason.TOO_LARGE
    if reply.verb == "data":
        return Status.REFUSED, Reason.MESSAGE_REFUSED
    # The greeting, EHLO and MAIL FROM do not depend on the message: a setting is wrong.
    return Status.MISCONFIGURED, Reason.FORBIDDEN


def _by_recipient_code(reply: SmtpReply) -> tuple[Status, Reason]:
    enhanced = _enhanced_code(reply)
    if enhanced.startswith("5.7."):
        # "Relaying denied": the server does not accept mail from us, whoever the recipient is.
        return Status.MISCONFIGURED, Reason.FORBIDDEN
    if reply.code == 552 or enhanced == "5.2.2":
        # A mailbox is full: that may pass.
        return Status.UNAVAILABLE, Reason.SMTP_TEMPORARY
    return Status.REFUSED, Reason.UNKNOWN_RECIPIENT


def _enhanced_code(reply: SmtpReply) -> str:
    found = _ENHANCED_CODE.match(reply.text)
    return found[1] if found else ""


def _smtp_detail(reply: SmtpReply) -> str:
    text = " ".join(reply.text.split())
    return f"SMTP {reply.code} to {reply.verb.upper()}: {text}".rstrip(": ")
