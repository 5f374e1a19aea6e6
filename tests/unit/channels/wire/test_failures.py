"""Exceptions of a send as outcomes."""

from __future__ import annotations

import http.client
import smtplib
import socket
import ssl

import pytest
import requests
from urllib3.exceptions import (
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)
from urllib3.exceptions import SSLError as Urllib3SSLError

from channels.alert import Reason, Status
from channels.wire.capture import Failure
from channels.wire.outcomes import classify_failure

U, M = Status.UNAVAILABLE, Status.MISCONFIGURED
URL = "/services/T0K3N/in/the/path"


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


def retried(reason: Exception) -> MaxRetryError:
    return MaxRetryError(None, URL, reason)  # type: ignore[arg-type]


REFUSED = ConnectionRefusedError(111, "Connection refused")
NEW = NewConnectionError(None, "Failed to establish a new connection")  # type: ignore[arg-type]
NAME = NameResolutionError("h", None, socket.gaierror(-2, "unknown"))  # type: ignore[arg-type]
TUNNEL = "Tunnel connection failed: {} Whatever"

CASES: list[tuple[str, BaseException, tuple[Status, Reason]]] = [
    ("http", requests.ConnectionError(retried(NAME)), (M, Reason.NAME_RESOLUTION)),
    ("connect", socket.gaierror(-2, "Name or service not known"), (M, Reason.NAME_RESOLUTION)),
    ("http", requests.ConnectionError(caused(NEW, REFUSED)), (U, Reason.CONNECTION)),
    ("connect", REFUSED, (U, Reason.CONNECTION)),
    ("connect", OSError(113, "No route to host"), (U, Reason.CONNECTION)),
    ("http", requests.ConnectionError(ProtocolError("aborted", ConnectionResetError(104, "reset"))),
     (U, Reason.CONNECTION)),
    ("http", requests.ConnectionError(http.client.RemoteDisconnected("closed")),
     (U, Reason.CONNECTION)),
    ("http", requests.exceptions.ChunkedEncodingError("broken"), (U, Reason.CONNECTION)),
    ("sendmail", smtplib.SMTPServerDisconnected("closed"), (U, Reason.CONNECTION)),
    ("http", requests.ConnectTimeout(retried(NEW)), (U, Reason.TIMEOUT)),
    ("http", requests.ReadTimeout(ReadTimeoutError(None, URL, "Read timed out.")),  # type: ignore[arg-type]
     (U, Reason.TIMEOUT)),
    ("connect", TimeoutError("timed out"), (U, Reason.TIMEOUT)),
    ("sendmail", caused(smtplib.SMTPServerDisconnected("closed: timed out"), TimeoutError()),
     (U, Reason.TIMEOUT)),
    ("http", requests.exceptions.SSLError(retried(Urllib3SSLError(certificate_error()))),
     (M, Reason.TLS)),
    ("starttls", certificate_error(), (M, Reason.TLS)),
    ("connect", ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
     (M, Reason.TLS)),
    ("starttls", ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
     (U, Reason.CONNECTION)),
    ("http", ssl.SSLError(1, "[SSL: TLSV1_ALERT_DECODE_ERROR] tlsv1 alert decode error"),
     (U, Reason.CONNECTION)),
    ("starttls", smtplib.SMTPNotSupportedError("STARTTLS extension not supported"),
     (M, Reason.TLS)),
    ("login", smtplib.SMTPNotSupportedError("SMTP AUTH extension not supported"),
     (M, Reason.SMTP_AUTHENTICATION)),
    ("http", requests.exceptions.ProxyError(retried(ProxyError("no", OSError(TUNNEL.format(407))))),
     (M, Reason.PROXY_AUTHENTICATION)),
    ("http", requests.exceptions.ProxyError(retried(ProxyError("no", OSError(TUNNEL.format(403))))),
     (M, Reason.FORBIDDEN)),
    ("http", requests.exceptions.ProxyError(retried(ProxyError("no", OSError(TUNNEL.format(502))))),
     (U, Reason.SERVER_ERROR)),
    ("http", requests.exceptions.InvalidURL(URL), (M, Reason.UNKNOWN)),
    ("plugin", KeyError("surprise"), (U, Reason.UNKNOWN)),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "error", "expected"), CASES, ids=lambda value: repr(value)[:60])
def test_root_of_the_error_decides(
    stage: str, error: BaseException, expected: tuple[Status, Reason]
) -> None:
    outcome = classify_failure(Failure(stage, error))
    assert (outcome.status, outcome.reason) == expected


@pytest.mark.parametrize(("stage", "error", "expected"), CASES, ids=lambda value: repr(value)[:60])
def test_detail_holds_no_part_of_the_address(
    stage: str, error: BaseException, expected: object
) -> None:
    detail = classify_failure(Failure(stage, error)).detail
    assert detail
    assert "T0K3N" not in detail
    assert "surprise" not in detail


@pytest.mark.parametrize(("stage", "error", "expected"), CASES, ids=lambda value: repr(value)[:60])
def test_after_the_whole_message_a_missing_answer_is_unconfirmed(
    stage: str, error: BaseException, expected: tuple[Status, Reason]
) -> None:
    outcome = classify_failure(Failure(stage, error, has_message=True))
    if expected[1] in (Reason.TIMEOUT, Reason.CONNECTION):
        assert (outcome.status, outcome.reason) == (U, Reason.UNCONFIRMED)
        assert "may have arrived" in outcome.detail
        assert "T0K3N" not in outcome.detail
    else:
        assert (outcome.status, outcome.reason) == expected


def answered(line: str) -> BaseException:
    bad = http.client.BadStatusLine(line)
    return requests.ConnectionError(ProtocolError("Connection aborted.", bad))


def test_an_answer_that_is_no_http_has_taken_no_message() -> None:
    outcome = classify_failure(Failure("http", answered("SSH-2.0-x"), has_message=True))
    assert (outcome.status, outcome.reason) == (U, Reason.CONNECTION)


def test_an_answer_of_tls_to_plain_http_is_misconfigured() -> None:
    outcome = classify_failure(Failure("http", answered("\x15\x03\x01\x00\x02"), has_message=True))
    assert (outcome.status, outcome.reason) == (M, Reason.TLS)


def test_error_that_is_its_own_context_ends() -> None:
    first, second = OSError(5, "I/O"), ValueError("x")
    first.__context__, second.__context__ = second, first
    assert classify_failure(Failure("http", first)).reason is Reason.CONNECTION
