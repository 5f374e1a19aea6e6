"""HTTP answers as outcomes."""

from __future__ import annotations

import json

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
    422: (R, Reason.UNPROCESSABLE),
    423: (U, Reason.BUSY),
    425: (U, Reason.BUSY),
    429: (U, Reason.RATE_LIMITED),
    431: (R, Reason.REFUSED_STATUS),
    451: (M, Reason.FORBIDDEN),
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
    outcome = classify_http(HttpReply(200, "example.org", b"<html>sign in</html>"))
    assert (outcome.status, outcome.reason) == (U, Reason.SERVICE_ERROR)


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (200, "invalid_auth", (M, Reason.UNAUTHORIZED)),
        (200, "token_revoked", (M, Reason.UNAUTHORIZED)),
        (403, "invalid_token", (M, Reason.UNAUTHORIZED)),
        (404, "no_service", (M, Reason.UNAUTHORIZED)),
        (404, "channel_not_found", (M, Reason.NOT_FOUND)),
        (410, "channel_is_archived", (M, Reason.NOT_FOUND)),
        (200, "not_in_channel", (M, Reason.NOT_FOUND)),
        (403, "action_prohibited", (M, Reason.FORBIDDEN)),
        (200, "missing_scope", (M, Reason.FORBIDDEN)),
        (200, "ratelimited", (U, Reason.RATE_LIMITED)),
        (200, "internal_error", (U, Reason.SERVER_ERROR)),
        (500, "rollup_error", (U, Reason.SERVER_ERROR)),
        (200, "msg_too_long", (R, Reason.TOO_LARGE)),
        (400, "invalid_payload", (R, Reason.MESSAGE_REFUSED)),
        (400, "no_text", (R, Reason.MESSAGE_REFUSED)),
        (200, "something_new", (U, Reason.SERVICE_ERROR)),
        (400, "something_new", (R, Reason.BAD_REQUEST)),
        (503, "invalid_auth", (U, Reason.SERVER_ERROR)),
        (429, "invalid_auth", (U, Reason.RATE_LIMITED)),
    ],
)
@pytest.mark.parametrize("is_bot", [False, True])
def test_slack_says_why(
    status: int, error: str, expected: tuple[Status, Reason], is_bot: bool
) -> None:
    body = json.dumps({"ok": False, "error": error}) if is_bot else error
    host = "slack.com" if is_bot else "hooks.slack.com"
    outcome = classify_http(HttpReply(status, host, body.encode()))
    assert (outcome.status, outcome.reason) == expected


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 21211, (R, Reason.UNKNOWN_RECIPIENT)),
        (400, 21614, (R, Reason.UNKNOWN_RECIPIENT)),
        (400, 21610, (R, Reason.UNKNOWN_RECIPIENT)),
        (400, 21608, (R, Reason.UNKNOWN_RECIPIENT)),
        (400, 21617, (R, Reason.TOO_LARGE)),
        (400, 21602, (R, Reason.MESSAGE_REFUSED)),
        (400, 21606, (M, Reason.FORBIDDEN)),
        (400, 21212, (M, Reason.FORBIDDEN)),
        (400, 21408, (M, Reason.FORBIDDEN)),
        (403, 20003, (M, Reason.UNAUTHORIZED)),
        (401, 20003, (M, Reason.UNAUTHORIZED)),
        (400, 21611, (U, Reason.RATE_LIMITED)),
        (429, 20429, (U, Reason.RATE_LIMITED)),
        (404, 20404, (M, Reason.NOT_FOUND)),
        (400, 99999, (R, Reason.BAD_REQUEST)),
        (503, 21211, (U, Reason.SERVER_ERROR)),
    ],
)
def test_twilio_says_why(status: int, code: int, expected: tuple[Status, Reason]) -> None:
    body = json.dumps({"code": code, "message": "no", "status": status}).encode()
    outcome = classify_http(HttpReply(status, "api.twilio.com", body))
    assert (outcome.status, outcome.reason) == expected


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"code": "21211"}', b"\xff", b"[" * 2_000])
def test_body_that_is_no_answer_of_the_service_is_ignored(body: bytes) -> None:
    outcome = classify_http(HttpReply(400, "api.twilio.com", body))
    assert (outcome.status, outcome.reason) == (R, Reason.BAD_REQUEST)


def test_another_hosts_body_is_not_read_as_slacks() -> None:
    outcome = classify_http(HttpReply(400, "notslack.com", b"invalid_token"))
    assert outcome.reason is Reason.BAD_REQUEST


def test_retry_after_is_passed_on_only_where_trying_again_helps() -> None:
    assert classify_http(HttpReply(429, retry_after_seconds=7.0)).retry_after_seconds == 7.0
    assert classify_webhook(HttpReply(503, retry_after_seconds=7.0)).retry_after_seconds == 7.0
    assert classify_http(HttpReply(400, retry_after_seconds=7.0)).retry_after_seconds is None
    assert classify_webhook(HttpReply(302, retry_after_seconds=7.0)).retry_after_seconds is None


def test_detail_is_one_line_and_whole() -> None:
    detail = classify_http(HttpReply(400, body=b"line one\r\nline two " + b"x" * 2_000)).detail
    assert detail == "HTTP 400: line one line two " + "x" * 2_000
