"""Turns the evidence of a send into an `Outcome`: exceptions, HTTP answers, SMTP replies.

`classify` is for the sends of Apprise's plugins, `classify_webhook` for those of webhooks.
"""

from __future__ import annotations

import http.client
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
from channels.wire.link_local import LinkLocalError
from channels.wire.services import SERVICES, Service

# Exceptions.
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3})")
# The server closed the connection during the handshake: nothing is wrong with certificates.
_HANDSHAKE_ENDS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
# What a server says of a handshake that was cut on its way to it.
_HALF_HANDSHAKE: Final = "TLSV1_ALERT_DECODE_ERROR"
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
    # This connection leads to another server than the one that was meant.
    421: Reason.SERVICE_ERROR,
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
    # nginx: our certificate is not valid, or is missing, or this is the port of HTTPS.
    495: Reason.TLS,
    496: Reason.TLS,
    497: Reason.TLS,
    # The token is not valid.
    498: Reason.UNAUTHORIZED,
    511: Reason.UNAUTHORIZED,
}
_REFUSED: Final = {
    400: Reason.BAD_REQUEST,
    413: Reason.TOO_LARGE,
    422: Reason.UNPROCESSABLE,
}
#: How servers say with a 400 that they speak TLS, or want a certificate, in lower-case letters:
#: nginx, Go, Apache, Tomcat.
_WANTS_TLS: Final = (
    "plain http request was sent to https port",
    "sent an http request to an https server",
    "speaking plain http to an ssl-enabled server port",
    "this combination of host and port requires tls",
    "no required ssl certificate was sent",
    "the ssl certificate error",
)
#: With these the server itself, or a proxy, says more than a code that the body quotes. Mattermost
#: answers 501 where its webhooks are switched off.
_PLAIN_STATUSES: Final = frozenset({401, 407, 408, 429, *range(300, 400), *range(500, 600)} - {501})
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
_NO_SERVICE: Final = Service(keys=())

# SMTP.
_ENHANCED_CODE: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_AUTHENTICATION_CODES: Final = frozenset({530, 534, 535, 538})
#: What an enhanced code of a lasting refusal says (RFC 3463, and the register of IANA), whatever
#: command was refused.
_ENHANCED: Final = {
    "5.1.1": (Status.REFUSED, Reason.UNKNOWN_RECIPIENT),
    "5.1.2": (Status.REFUSED, Reason.UNKNOWN_RECIPIENT),
    "5.1.3": (Status.REFUSED, Reason.UNKNOWN_RECIPIENT),
    "5.1.6": (Status.REFUSED, Reason.UNKNOWN_RECIPIENT),
    "5.1.10": (Status.REFUSED, Reason.UNKNOWN_RECIPIENT),
    "5.2.1": (Status.REFUSED, Reason.UNKNOWN_RECIPIENT),
    # The sender's address or domain.
    "5.1.7": (Status.MISCONFIGURED, Reason.FORBIDDEN),
    "5.1.8": (Status.MISCONFIGURED, Reason.FORBIDDEN),
    # A mailbox is full: that may pass.
    "5.2.2": (Status.UNAVAILABLE, Reason.SMTP_TEMPORARY),
    "5.2.3": (Status.REFUSED, Reason.TOO_LARGE),
    "5.3.4": (Status.REFUSED, Reason.TOO_LARGE),
    # Gmail: the account has sent its number of mails of a day.
    "5.4.5": (Status.UNAVAILABLE, Reason.RATE_LIMITED),
    "5.7.28": (Status.UNAVAILABLE, Reason.RATE_LIMITED),
    "5.7.8": (Status.MISCONFIGURED, Reason.SMTP_AUTHENTICATION),
    "5.7.9": (Status.MISCONFIGURED, Reason.SMTP_AUTHENTICATION),
}
#: After DATA they may be about this mail's content. All others of 5.7 are about our server, our
#: domain or the sender.
_CONTENT_CODES: Final = frozenset({"5.7.0", "5.7.1", "5.7.6", "5.7.7"})


def classify(is_accepted: bool, evidence: Sequence[Evidence], service: str = "") -> Outcome:
    """The outcome of one try of a plugin.

    `is_accepted` is what the plugin returned; it counts unless the last HTTP answer contradicts it
    (a followed redirect, say, or `"ok": false`). `evidence` is in order. `service` is a name of
    `channels.wire.services`. The outcome's detail may be long, and may
    hold secrets that the server sent back: give it to `channels.redact.redact_outcome`.
    """
    last = evidence[-1] if evidence else None
    if is_accepted and not (isinstance(last, HttpReply) and _reports_failure(last, service)):
        return _sent(last)
    if last is None:
        return Outcome(Status.UNAVAILABLE, Reason.UNKNOWN, "the service gave no reason")
    if isinstance(last, HttpReply):
        # From half an answer, the plugin can't know whether the message was taken.
        return classify_http(last, service) if last.is_whole else _classify_cut(last, service)
    if isinstance(last, Failure):
        has_message = any(isinstance(each, Failure) and each.has_message for each in evidence)
        outcome = classify_failure(replace(last, has_message=has_message))
        is_pause = isinstance(last.error, PauseError)
        is_unsent = is_pause and not any(map(_may_have_message, evidence[:-1]))
        return replace(outcome, is_unsent=is_unsent)
    return classify_smtp([each for each in evidence if isinstance(each, SmtpReply)])


def classify_failure(failure: Failure) -> Outcome:
    """The outcome of an exception; its detail is our own text, which holds no address.

    Where the whole message was sent and only the answer is missing, it is unconfirmed.
    """
    outcome = _classify_exception(failure)
    if not failure.has_message or outcome.reason not in (Reason.TIMEOUT, Reason.CONNECTION):
        return outcome
    if any(map(_is_other_protocol, _chain(failure.error))):
        # Who does not speak HTTP has taken no message.
        return outcome
    return _unconfirmed(outcome.detail)


def _classify_exception(failure: Failure) -> Outcome:
    chain = tuple(_chain(failure.error))
    if isinstance(pause := failure.error, PauseError):
        return Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, str(pause), pause.seconds)
    refused = next((error for error in chain if isinstance(error, LinkLocalError)), None)
    if refused is not None:
        return Outcome(Status.MISCONFIGURED, Reason.LINK_LOCAL, str(refused))
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
    if any(map(_is_tls_record, chain)):
        detail = "the server speaks TLS, and was sent plain HTTP"
        return Outcome(Status.MISCONFIGURED, Reason.TLS, detail)
    tls = next((error for error in chain if isinstance(error, ssl.SSLError)), None)
    if tls is not None and not _is_cut_handshake(tls):
        return Outcome(Status.MISCONFIGURED, Reason.TLS, _tls_detail(tls))
    if any(isinstance(error, _UNUSABLE_ADDRESSES) for error in chain):
        return Outcome(
            Status.MISCONFIGURED, Reason.UNKNOWN, f"unusable address ({_name(failure.error)})"
        )
    if any(isinstance(error, (OSError, *_DISCONNECTS)) for error in chain):
        return Outcome(Status.UNAVAILABLE, Reason.CONNECTION, _connection_detail(chain))
    return Outcome(Status.UNAVAILABLE, Reason.UNKNOWN, f"the send failed ({_name(failure.error)})")


def classify_http(reply: HttpReply, service: str = "") -> Outcome:
    """The outcome of an HTTP answer to a plugin of `service` that reports a failure.

    After a 2xx, the service has reported an error in the body.
    """
    return _http_outcome(reply, *(_by_body(reply, service) or _by_reply(reply)))


def classify_webhook(reply: HttpReply) -> Outcome:
    """The outcome of a webhook's answer; any 2xx is a success, whatever the body says."""
    if 200 <= reply.status < 300:
        return _sent(reply)
    return _http_outcome(reply, *_by_reply(reply))


def classify_smtp(replies: Sequence[SmtpReply]) -> Outcome:
    """The outcome of a conversation that Apprise reports as a failure; the last reply decides.

    The first RCPT is the mail's recipient, and later ones are copies. A mail that the server took
    for its recipient is sent, even where it refused a copy: another try would repeat the mail.
    """
    last = replies[-1]
    recipient = next((reply for reply in replies if reply.verb == "rcpt"), last)
    if is_mail_input_started(replies[:-1]) and _is_positive(last):
        if _is_positive(recipient):
            return _sent(last)
        last = recipient
    elif is_mail_input_started(replies[:-1]) and not 400 <= last.code < 600:
        return _unconfirmed("the server's reply can't be read")
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


def _is_cut_handshake(error: ssl.SSLError) -> bool:
    return isinstance(error, _HANDSHAKE_ENDS) or _HALF_HANDSHAKE in str(error)


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


def _classify_cut(reply: HttpReply, service: str) -> Outcome:
    """The outcome of an HTTP answer whose body was cut off, by its status.

    A 2xx is a success only for a request that had the message, and not for a login before it.
    """
    is_good = reply.has_message and not _reports_failure(reply, service)
    is_good = is_good and _by_body(reply, service) is None
    return _sent(reply) if is_good else classify_http(reply, service)


def _reports_failure(reply: HttpReply, service: str) -> bool:
    """Whether a plugin that takes the answer for a success is wrong."""
    known = SERVICES.get(service, _NO_SERVICE)
    return not 200 <= reply.status < 300 or known.reports_failure(reply.body)


def _unconfirmed(what: str) -> Outcome:
    detail = f"the whole message was sent, and may have arrived, but {what}"
    return Outcome(Status.UNAVAILABLE, Reason.UNCONFIRMED, detail)


def _is_other_protocol(error: BaseException) -> bool:
    is_closed = isinstance(error, http.client.RemoteDisconnected)
    return isinstance(error, http.client.BadStatusLine) and not is_closed


def _is_tls_record(error: BaseException) -> bool:
    """Whether the answer to a plain request begins as an alert of TLS does."""
    is_other = isinstance(error, http.client.BadStatusLine)
    return is_other and str(error.args[0]).startswith("\x15\x03")


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


def _by_reply(reply: HttpReply) -> tuple[Status, Reason]:
    if reply.status == 400 and any(each in _text(reply.body).lower() for each in _WANTS_TLS):
        return Status.MISCONFIGURED, Reason.TLS
    return _by_status(reply.status)


def _by_body(reply: HttpReply, service: str) -> tuple[Status, Reason] | None:
    known = SERVICES.get(service)
    if known is None or reply.status in _PLAIN_STATUSES:
        return None
    reason = known.reason(reply.body)
    if reason is not None:
        return _STATUS_OF[reason], reason
    status = known.status(reply.body) if 200 <= reply.status < 300 else None
    return None if status is None else _by_status(status)


def _http_outcome(reply: HttpReply, status: Status, reason: Reason) -> Outcome:
    wait = reply.retry_after_seconds if status is Status.UNAVAILABLE else None
    return Outcome(status, reason, _http_detail(reply), wait)


def _http_detail(reply: HttpReply) -> str:
    body = " ".join(_text(reply.body).split())
    return f"HTTP {reply.status}: {body}" if body else f"HTTP {reply.status}"


def _sent(last: Evidence | None) -> Outcome:
    """The message was taken; `last` is what was answered last, if anything was."""
    if isinstance(last, HttpReply):
        return replace(SENT, answer=_http_detail(last))
    return replace(SENT, answer=_smtp_detail(last)) if isinstance(last, SmtpReply) else SENT


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
    enhanced = _enhanced_code(reply)
    if enhanced in _ENHANCED:
        return _ENHANCED[enhanced]
    if reply.verb == "rcpt":
        return _by_recipient_code(reply, enhanced)
    if reply.verb in ("mail", "data") and reply.code == 552:
        return Status.REFUSED, Reason.TOO_LARGE
    if reply.verb == "data" and (not enhanced.startswith("5.7.") or enhanced in _CONTENT_CODES):
        return Status.REFUSED, Reason.MESSAGE_REFUSED
    # The greeting, EHLO and MAIL FROM do not depend on the message: a setting is wrong.
    return Status.MISCONFIGURED, Reason.FORBIDDEN


def _by_recipient_code(reply: SmtpReply, enhanced: str) -> tuple[Status, Reason]:
    if enhanced.startswith("5.7."):
        # "Relaying denied": the server does not accept mail from us, whoever the recipient is.
        return Status.MISCONFIGURED, Reason.FORBIDDEN
    if reply.code == 552:
        return Status.UNAVAILABLE, Reason.SMTP_TEMPORARY
    return Status.REFUSED, Reason.UNKNOWN_RECIPIENT


def _enhanced_code(reply: SmtpReply) -> str:
    found = _ENHANCED_CODE.match(reply.text)
    return found[1] if found else ""


def _smtp_detail(reply: SmtpReply) -> str:
    text = " ".join(reply.text.split())
    return f"SMTP {reply.code} to {reply.verb.upper()}: {text}".rstrip(": ")
