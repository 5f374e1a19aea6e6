"""What services say in their answers' bodies, as outcomes."""

from __future__ import annotations

import json

import pytest

from channels.alert import SENT, Outcome, Reason, Status
from channels.definitions.channel_entry import entry_targets
from channels.plugins.plugin import make_plugin, plugin_class
from channels.plugins.url import read_url
from channels.wire.capture import HttpReply
from channels.wire.outcomes import classify, classify_http
from channels.wire.services import SERVICES, service_of
from tests.support.answers import Answer
from tests.support.http_receiver import LOOPBACK, HttpReceiver
from tests.support.services import Services
from tests.unit.channels.samples import alert

R, U, M = Status.REFUSED, Status.UNAVAILABLE, Status.MISCONFIGURED
Expected = tuple[Status, Reason]

UNAUTHORIZED, FORBIDDEN = (M, Reason.UNAUTHORIZED), (M, Reason.FORBIDDEN)
NOT_FOUND, RATE_LIMITED = (M, Reason.NOT_FOUND), (U, Reason.RATE_LIMITED)
TOO_LARGE, REFUSED = (R, Reason.TOO_LARGE), (R, Reason.MESSAGE_REFUSED)
UNKNOWN_RECIPIENT, SERVER_ERROR = (R, Reason.UNKNOWN_RECIPIENT), (U, Reason.SERVER_ERROR)
BAD_REQUEST = (R, Reason.BAD_REQUEST)

URLS = {
    "slack": "slack://T1A/B1B/c1CCCC",
    "twilio": "twilio://AC" + "0" * 32 + ":" + "1" * 32 + "@15550001111/15550002222",
    "tgram": "tgram://123456789:abcdefg_hijklmnop/1231",
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "pover": "pover://" + "u" * 30 + "@" + "a" * 30,
    "pagerduty": "pagerduty://" + "a" * 32 + "@" + "b" * 20,
    "mmosts": "mmost://example.org/3ccdd113474722377935511fc85d3dd4",
    "matrixs": "matrix://user:word@example.org/%23room",
    "ntfys": "ntfy://example.org/plates",
    "gotifys": "gotify://example.org/Aabcdefghijklmn",
    "workflow": "workflows://example.org:443/workflow1a/signature1a",
}


def test_each_service_is_known_by_its_plugin() -> None:
    assert URLS.keys() == SERVICES.keys()
    for name, url in URLS.items():
        keywords = read_url(url)
        plugin = make_plugin(plugin_class(keywords["schema"]), keywords)
        assert service_of(plugin) == name


SLACK = [
    (200, "invalid_auth", UNAUTHORIZED),
    (200, "token_revoked", UNAUTHORIZED),
    (403, "invalid_token", UNAUTHORIZED),
    (404, "no_service", UNAUTHORIZED),
    (404, "channel_not_found", NOT_FOUND),
    (410, "channel_is_archived", NOT_FOUND),
    (200, "not_in_channel", NOT_FOUND),
    (403, "action_prohibited", FORBIDDEN),
    (200, "missing_scope", FORBIDDEN),
    (200, "ratelimited", RATE_LIMITED),
    (200, "internal_error", SERVER_ERROR),
    (500, "rollup_error", SERVER_ERROR),
    (200, "msg_too_long", TOO_LARGE),
    (400, "invalid_payload", REFUSED),
    (400, "no_text", REFUSED),
    (200, "something_new", (U, Reason.SERVICE_ERROR)),
    (400, "something_new", BAD_REQUEST),
    (503, "invalid_auth", SERVER_ERROR),
    (429, "invalid_auth", RATE_LIMITED),
]


@pytest.mark.parametrize(("status", "error", "expected"), SLACK)
@pytest.mark.parametrize("is_bot", [False, True])
def test_slack_says_why(status: int, error: str, expected: Expected, is_bot: bool) -> None:
    body = json.dumps({"ok": False, "error": error}) if is_bot else error
    outcome = classify_http(HttpReply(status, body.encode()), "slack")
    assert (outcome.status, outcome.reason) == expected


def telegram(status: int, description: str) -> dict[str, object]:
    return {"ok": False, "error_code": status, "description": description}


def pushover(field: str, *errors: str) -> dict[str, object]:
    return {field: "invalid", "errors": [*errors], "status": 0, "request": "2eb28a69"}


def pagerduty(status: str, *errors: str) -> dict[str, object]:
    return {"status": status, "message": "Event object is invalid", "errors": [*errors]}


def ntfy(code: int) -> dict[str, object]:
    return {"code": code, "http": code // 100, "error": "no", "link": "https://ntfy.sh/docs"}


def gotify(status: int, error: str, why: str) -> dict[str, object]:
    return {"error": error, "errorCode": status, "errorDescription": why}


def workflow(code: str) -> dict[str, object]:
    return {"error": {"code": code, "message": "no"}}


WITHOUT_TOKEN = "you need to provide a valid access token or user credentials to access this api"
HOOK = "web.incoming_webhook"
CASES: dict[str, list[tuple[int, object, Expected]]] = {
    "twilio": [
        (400, {"code": 21211}, UNKNOWN_RECIPIENT),
        (400, {"code": 21614}, UNKNOWN_RECIPIENT),
        (400, {"code": 21610}, UNKNOWN_RECIPIENT),
        (400, {"code": 21608}, UNKNOWN_RECIPIENT),
        (400, {"code": 21617}, TOO_LARGE),
        (400, {"code": 21602}, REFUSED),
        (400, {"code": 21606}, FORBIDDEN),
        (400, {"code": 21212}, FORBIDDEN),
        (400, {"code": 21408}, FORBIDDEN),
        (403, {"code": 20003}, UNAUTHORIZED),
        (401, {"code": 20003}, UNAUTHORIZED),
        (400, {"code": 21611}, RATE_LIMITED),
        (429, {"code": 20429}, RATE_LIMITED),
        (404, {"code": 20404}, NOT_FOUND),
        (400, {"code": 99999}, BAD_REQUEST),
        (503, {"code": 21211}, SERVER_ERROR),
    ],
    "tgram": [
        (401, telegram(401, "Unauthorized"), UNAUTHORIZED),
        (400, telegram(400, "Bad Request: chat not found"), NOT_FOUND),
        (400, telegram(400, "Bad Request: message thread not found"), NOT_FOUND),
        (400, telegram(400, "Bad Request: group chat was upgraded to a supergroup chat"),
         NOT_FOUND),
        (403, telegram(403, "Forbidden: bot was blocked by the user"), FORBIDDEN),
        (403, telegram(403, "Forbidden: bot was kicked from the group chat"), FORBIDDEN),
        (403, telegram(403, "Forbidden: user is deactivated"), FORBIDDEN),
        (400, telegram(400, "Bad Request: have no rights to send a message"), FORBIDDEN),
        (400, telegram(400, "Bad Request: not enough rights to send text messages to the chat"),
         FORBIDDEN),
        (400, telegram(400, "Bad Request: CHAT_WRITE_FORBIDDEN"), FORBIDDEN),
        (400, telegram(400, "Bad Request: message is too long"), TOO_LARGE),
        (400, telegram(400, "Bad Request: message text is empty"), REFUSED),
        (400, telegram(400, "Bad Request: can't parse entities: …"), REFUSED),
        (400, telegram(400, "Bad Request: something new"), BAD_REQUEST),
        (429, telegram(429, "Too Many Requests: retry after 30"), RATE_LIMITED),
        (404, telegram(404, "Not Found"), NOT_FOUND),
        (400, "the chat not found by a proxy", BAD_REQUEST),
    ],
    "discord": [
        (404, {"message": "Unknown Webhook", "code": 10015}, NOT_FOUND),
        (400, {"code": 10003}, NOT_FOUND),
        (401, {"message": "Invalid Webhook Token", "code": 50027}, UNAUTHORIZED),
        (403, {"code": 50013}, FORBIDDEN),
        (403, {"code": 50001}, FORBIDDEN),
        (400, {"code": 220001}, FORBIDDEN),
        (400, {"code": 50035, "errors": {"content": {}}}, REFUSED),
        (400, {"code": 50006}, REFUSED),
        (413, {"code": 40005}, TOO_LARGE),
        (400, {"code": 20028}, RATE_LIMITED),
        (429, {"message": "You are being rate limited.", "retry_after": 0.5}, RATE_LIMITED),
        (400, {"code": 0}, BAD_REQUEST),
    ],
    "pover": [
        (400, pushover("token", "application token is invalid"), UNAUTHORIZED),
        (400, pushover("user", "user identifier is not a valid user, group, or subscribed key"),
         NOT_FOUND),
        (400, pushover("device", "device name is not valid for user"), NOT_FOUND),
        (400, pushover("message", "message cannot be blank"), REFUSED),
        (400, pushover("message", "message is too large"), TOO_LARGE),
        (429, pushover("token", "application is over its quota"), RATE_LIMITED),
    ],
    "pagerduty": [
        (400, pagerduty("invalid event", "Length of 'routing_key' is incorrect"), UNAUTHORIZED),
        (400, pagerduty("invalid event", "'payload.summary' is missing or blank"), REFUSED),
        (403, {"status": "throttle exceeded", "message": "too quickly"}, RATE_LIMITED),
        (429, {"status": "throttle exceeded", "errors": ["Enhance Your Calm."]}, RATE_LIMITED),
    ],
    "mmosts": [
        (401, {"id": "api.context.session_expired.app_error"}, UNAUTHORIZED),
        (403, {"id": "api.context.permissions.app_error"}, FORBIDDEN),
        (400, {"id": f"{HOOK}.invalid.app_error"}, NOT_FOUND),
        (404, {"id": f"{HOOK}.channel.app_error"}, NOT_FOUND),
        (501, {"id": f"{HOOK}.disabled.app_error"}, FORBIDDEN),
        (403, {"id": f"{HOOK}.channel_locked.app_error"}, FORBIDDEN),
        (400, {"id": f"{HOOK}.text.app_error"}, REFUSED),
        (400, {"id": "model.post.is_valid.message_length.app_error"}, TOO_LARGE),
        (500, {"id": f"{HOOK}.channel.app_error"}, SERVER_ERROR),
        (400, {"id": f"{HOOK}.general.app_error"}, BAD_REQUEST),
    ],
    "matrixs": [
        (403, {"errcode": "M_FORBIDDEN", "error": "not in the room"}, FORBIDDEN),
        (401, {"errcode": "M_UNKNOWN_TOKEN"}, UNAUTHORIZED),
        (400, {"errcode": "M_MISSING_TOKEN"}, UNAUTHORIZED),
        (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2000}, RATE_LIMITED),
        (400, {"errcode": "M_LIMIT_EXCEEDED"}, RATE_LIMITED),
        (413, {"errcode": "M_TOO_LARGE"}, TOO_LARGE),
        (400, {"errcode": "M_BAD_JSON"}, REFUSED),
        (400, {"errcode": "M_UNKNOWN"}, BAD_REQUEST),
    ],
    "ntfys": [
        (401, ntfy(40101), UNAUTHORIZED),
        (403, ntfy(40301), FORBIDDEN),
        (400, ntfy(40009), NOT_FOUND),
        (413, ntfy(41301), TOO_LARGE),
        (400, ntfy(40014), TOO_LARGE),
        (400, ntfy(40011), REFUSED),
        (429, ntfy(42901), RATE_LIMITED),
        (507, ntfy(50701), SERVER_ERROR),
    ],
    "gotifys": [
        (401, gotify(401, "Unauthorized", WITHOUT_TOKEN), UNAUTHORIZED),
        (400, gotify(400, "Bad Request", "Field 'message' is required"), REFUSED),
        (400, gotify(400, "Bad Request", "something new"), BAD_REQUEST),
        (500, gotify(500, "Internal Server Error", "no"), SERVER_ERROR),
    ],
    "workflow": [
        (400, workflow("WorkflowTriggerIsNotEnabled"), NOT_FOUND),
        (404, workflow("WorkflowNotFound"), NOT_FOUND),
        (401, workflow("DirectApiAuthorizationRequired"), UNAUTHORIZED),
        (400, workflow("TriggerInputSchemaMismatch"), REFUSED),
        (400, {"error": "no object"}, BAD_REQUEST),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("service", "status", "answer", "expected"),
    [(service, *row) for service, rows in CASES.items() for row in rows],
)
def test_the_body_says_why(service: str, status: int, answer: object, expected: Expected) -> None:
    body = json.dumps(answer).encode()
    outcome = classify(False, [HttpReply(status, body)], service)
    assert (outcome.status, outcome.reason) == expected
    assert outcome.detail.startswith(f"HTTP {status}: ")


@pytest.mark.parametrize(
    ("service", "answer", "expected"),
    [
        ("tgram", telegram(400, "Bad Request: chat not found"), NOT_FOUND),
        ("tgram", telegram(403, "Forbidden: something new"), FORBIDDEN),
        ("tgram", telegram(429, "something new"), RATE_LIMITED),
        ("tgram", {"ok": False}, (U, Reason.SERVICE_ERROR)),
        ("slack", {"ok": False, "error": "invalid_auth"}, UNAUTHORIZED),
        ("pover", pushover("token", "application token is invalid"), UNAUTHORIZED),
        ("pover", {"status": 0}, (U, Reason.SERVICE_ERROR)),
    ],
)
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_failure_that_the_body_of_a_200_reports_is_one(
    service: str, answer: object, expected: Expected, is_whole: bool
) -> None:
    reply = HttpReply(200, json.dumps(answer).encode(), is_whole=is_whole, has_message=True)
    for is_accepted in (True, False):
        outcome = classify(is_accepted, [reply], service)
        assert (outcome.status, outcome.reason) == expected


@pytest.mark.parametrize(
    ("service", "body"),
    [
        ("tgram", b'{"ok": true, "result": {}}'),
        ("pover", b'{"status": 1}'),
        ("pover", b'{"status": false}'),
        ("discord", b'{"ok": false}'),
        ("slack", b"ok"),
        ("", b'{"ok": false}'),
    ],
)
def test_what_the_plugin_took_is_sent_unless_the_body_says_otherwise(
    service: str, body: bytes
) -> None:
    assert classify(True, [HttpReply(200, body)], service) == SENT


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"[" * 2_000, b'{"code": null}'])
def test_a_body_that_is_no_answer_of_the_service_is_ignored(body: bytes) -> None:
    for service in SERVICES:
        outcome = classify_http(HttpReply(400, body), service)
        assert (outcome.status, outcome.reason) == BAD_REQUEST


def test_another_services_body_is_not_read_as_slacks() -> None:
    assert classify_http(HttpReply(400, b"invalid_token"), "discord").reason is Reason.BAD_REQUEST


def sent(url: str) -> Outcome:
    """What becomes of an alert at the one target of the URL."""
    (target,) = entry_targets("ops", url, {}).checked()
    try:
        return target.send(alert(), "key")
    finally:
        target.close()


@pytest.mark.waits
@pytest.mark.parametrize(
    ("service", "answer", "expected"),
    [
        ("tgram", telegram(400, "Bad Request: chat not found"), NOT_FOUND),
        ("pover", pushover("token", "application token is invalid"), UNAUTHORIZED),
    ],
)
def test_a_failure_that_a_plugin_takes_for_a_success_is_one(
    service: str, answer: object, expected: Expected, outside: Services
) -> None:
    outside.answer(Answer.json(200, answer))
    outcome = sent(URLS[service])
    assert (outcome.status, outcome.reason) == expected


@pytest.mark.waits
@pytest.mark.parametrize(
    ("service", "status", "answer", "expected"),
    [
        ("mmosts", 400, {"id": f"{HOOK}.invalid.app_error"}, NOT_FOUND),
        ("matrixs", 400, {"errcode": "M_UNKNOWN_TOKEN"}, UNAUTHORIZED),
        ("ntfys", 400, ntfy(40009), NOT_FOUND),
        ("gotifys", 400, gotify(400, "Bad Request", "Field 'message' is required"), REFUSED),
    ],
)
def test_a_service_on_a_host_of_ones_own_is_understood(
    service: str, status: int, answer: object, expected: Expected, http_receiver: HttpReceiver
) -> None:
    http_receiver.answer_when(lambda request: True, Answer.json(status, answer))
    outcome = sent(URLS[service].replace("example.org", f"{LOOPBACK}:{http_receiver.port}"))
    assert (outcome.status, outcome.reason) == expected
    assert outcome.detail.startswith(f"HTTP {status}: ")


@pytest.mark.waits
def test_telegram_says_in_its_body_how_long_to_wait(outside: Services) -> None:
    limited = telegram(429, "Too Many Requests: retry after 30")
    outside.answer(Answer.json(429, {**limited, "parameters": {"retry_after": 30}}))
    outcome = sent(URLS["tgram"])
    assert (outcome.status, outcome.reason) == RATE_LIMITED
    assert outcome.retry_after_seconds == 30.0
