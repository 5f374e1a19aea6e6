"""Exceptions of a send as Outcomes, by what is at their root.

The texts of requests' exceptions hold the URL, and with it secrets: none is ever passed on.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import requests
import urllib3.exceptions

from channels.alert import Outcome, Reason, Status
from channels.wire import Failure, PauseError

_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3})")
# The other side went away in the middle of the handshake: nothing is wrong with certificates.
_CUT_SHORT: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_TIMEOUTS: Final = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
# urllib3 counts a refused connection among its timeouts.
_NO_TIMEOUTS: Final = (urllib3.exceptions.NewConnectionError,)
_NAMES: Final = (socket.gaierror, urllib3.exceptions.NameResolutionError)
_DISCONNECTS: Final = (smtplib.SMTPServerDisconnected, requests.ConnectionError)
_UNUSABLE: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidProxyURL,
)


def classify_failure(failure: Failure) -> Outcome:
    """The outcome of an exception; its detail names the root's kind in words of our own."""
    chain = tuple(_chain(failure.error))
    if isinstance(pause := failure.error, PauseError):
        return Outcome(Status.UNAVAILABLE, Reason.RATE_LIMITED, str(pause), pause.seconds)
    for status in map(_tunnel_status, chain):
        if status is not None:
            return _of_proxy(status)
    if any(isinstance(error, smtplib.SMTPNotSupportedError) for error in chain):
        return _not_offered(failure.stage)
    if any(isinstance(error, _NAMES) for error in chain):
        return Outcome(
            Status.MISCONFIGURED, Reason.NAME_RESOLUTION, "the host's name can't be resolved"
        )
    if any(isinstance(e, _TIMEOUTS) and not isinstance(e, _NO_TIMEOUTS) for e in chain):
        return Outcome(Status.UNAVAILABLE, Reason.TIMEOUT, "no answer in time")
    tls = next((error for error in chain if isinstance(error, ssl.SSLError)), None)
    if tls is not None and not isinstance(tls, _CUT_SHORT):
        return Outcome(Status.MISCONFIGURED, Reason.TLS, _tls_detail(tls))
    if any(isinstance(error, _UNUSABLE) for error in chain):
        return Outcome(
            Status.MISCONFIGURED, Reason.UNKNOWN, f"unusable address ({_name(failure.error)})"
        )
    if any(isinstance(error, (OSError, *_DISCONNECTS)) for error in chain):
        return Outcome(Status.UNAVAILABLE, Reason.CONNECTION, _connection_detail(chain))
    return Outcome(Status.UNAVAILABLE, Reason.UNKNOWN, f"the send failed ({_name(failure.error)})")


def is_pause(failure: Failure) -> bool:
    """Whether a plugin did not send because its service has asked for a pause."""
    return isinstance(failure.error, PauseError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made from; urllib3 and requests nest in `args` and `reason`."""
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
    # An OSError with a number has the system's own words, which hold no address.
    system = next((e for e in chain if isinstance(e, OSError) and e.errno and e.strerror), None)
    if system is not None and not isinstance(system, ssl.SSLError):
        return f"no connection: {system.strerror}"
    return "the connection was closed without an answer"


def _name(error: BaseException) -> str:
    return type(error).__name__
