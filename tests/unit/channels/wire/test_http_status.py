"""HTTP answers as outcomes."""

from __future__ import annotations

import pytest

from channels.alert import Outcome, Reason, Status
from channels.wire.capture import HttpReply
from channels.wire.outcomes import classify_http, classify_webhook

R, U, M = Status.REFUSED, Status.UNAVAILABLE, Status.MISCONFIGURED

STATUSES = {
    400: (R, Reason.BAD_REQUEST),
    401: (M, Reason.UNAUTHORIZED),
    402: (M, Reason.FORBIDDEN),
    403: (M, Reason.FORBIDDEN),
    404: (M, Reason.NOT_FOUND),
    405: (M, Reason.METHOD_NOT_ALLOWED),
    406: (R, Reason.REFUSED_STATUS),
    407: (M, Reason.PROXY_AUTHENTICATION),
    408: (U, Reason.TIMEOUT),
    409: (U, Reason.BUSY),
    410: (M, Reason.NOT_FOUND),
    411: (R, Reason.REFUSED_STATUS),
    412: (R, Reason.REFUSED_STATUS),
    413: (R, Reason.TOO_LARGE),
    414: (R, Reason.REFUSED_STATUS),
    415: (R, Reason.REFUSED_STATUS),
    418: (R, Reason.REFUSED_STATUS),
    421: (U, Reason.SERVICE_ERROR),
    422: (R, Reason.UNPROCESSABLE),
    423: (U, Reason.BUSY),
    425: (U, Reason.BUSY),
    429: (U, Reason.RATE_LIMITED),
    426: (R, Reason.REFUSED_STATUS),
    431: (R, Reason.REFUSED_STATUS),
    451: (M, Reason.FORBIDDEN),
    495: (M, Reason.TLS),
    496: (M, Reason.TLS),
    497: (M, Reason.TLS),
    498: (M, Reason.UNAUTHORIZED),
    499: (R, Reason.REFUSED_STATUS),
    511: (M, Reason.UNAUTHORIZED),
    **dict.fromkeys((300, 301, 302, 303, 304, 307, 308), (M, Reason.REDIRECT)),
    **dict.fromkeys((500, 501, 502, 503, 504, 507, 520, 599, 700), (U, Reason.SERVER_ERROR)),
}


@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
def test_status_decides(status: int, expected: tuple[Status, Reason]) -> None:
    for outcome in (classify_http(HttpReply(status)), classify_webhook(HttpReply(status))):
        assert (outcome.status, outcome.reason) == expected
        assert outcome.detail == f"HTTP {status}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_webhook_takes_any_2xx_as_sent(status: int) -> None:
    outcome = classify_webhook(HttpReply(status, body=b'{"ok": false, "error": "whatever"}'))
    assert outcome == Outcome(Status.SENT, Reason.OK)


def test_service_that_reports_an_unknown_error_with_200_may_recover() -> None:
    outcome = classify_http(HttpReply(200, b"<html>sign in</html>"))
    assert (outcome.status, outcome.reason) == (U, Reason.SERVICE_ERROR)


@pytest.mark.parametrize(
    "body",
    [
        b"<center>The plain HTTP request was sent to HTTPS port</center>",
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
        b"Bad Request\nThis combination of host and port requires TLS.\n",
        b"<center>No required SSL certificate was sent</center>",
        b"<center>The SSL certificate error</center>",
    ],
)
def test_a_server_that_wants_tls_is_misconfigured_whatever_the_message(body: bytes) -> None:
    for outcome in (classify_http(HttpReply(400, body)), classify_webhook(HttpReply(400, body))):
        assert (outcome.status, outcome.reason) == (M, Reason.TLS)
    assert classify_webhook(HttpReply(422, body)).reason is Reason.UNPROCESSABLE


def test_retry_after_is_passed_on_only_where_trying_again_helps() -> None:
    assert classify_http(HttpReply(429, retry_after_seconds=7.0)).retry_after_seconds == 7.0
    assert classify_webhook(HttpReply(503, retry_after_seconds=7.0)).retry_after_seconds == 7.0
    assert classify_http(HttpReply(400, retry_after_seconds=7.0)).retry_after_seconds is None
    assert classify_webhook(HttpReply(302, retry_after_seconds=7.0)).retry_after_seconds is None


def test_detail_is_one_line_and_whole() -> None:
    detail = classify_http(HttpReply(400, body=b"line one\r\nline two " + b"x" * 2_000)).detail
    assert detail == "HTTP 400: line one line two " + "x" * 2_000
