"""The webhook against a real HTTPS server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from channels.alert import SENT, Outcome, Reason, Status, Target
from channels.redact import remember
from channels.targets.webhook import WebhookSettings, WebhookTarget, payload, signature
from tests.support.answers import HANG, RESET, Answer
from tests.support.certificates import Certificates
from tests.support.http_receiver import HttpReceiver
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.channels.samples import alert, set_environment

Make = Callable[..., WebhookTarget]


@pytest.fixture
def make(
    https_receiver: HttpReceiver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Make a webhook of the receiver's, with settings."""
    set_environment(monkeypatch, certificates.environment)
    made: list[WebhookTarget] = []

    def make(path: str = "/alerts", **settings: object) -> WebhookTarget:
        settings.setdefault("url", https_receiver.url + path)
        made.append(WebhookTarget("hook", "hook:x", WebhookSettings(**settings)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    https_receiver.release()
    for target in made:
        target.close()


def test_alert_arrives_as_json(make: Make, https_receiver: HttpReceiver) -> None:
    assert make().send(alert(), "key-1") == SENT
    (request,) = https_receiver.wait_for(1)
    assert (request.method, request.path) == ("POST", "/alerts")
    assert request.body == payload(alert())
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "key-1"
    assert "x-hub-signature-256" not in request.headers


def test_method_and_headers_are_as_set(make: Make, https_receiver: HttpReceiver) -> None:
    headers = {"Authorization": "Bearer abc", "content-type": "application/vnd.x+json"}
    make(method="PUT", headers=headers).send(alert(), "k")
    (request,) = https_receiver.wait_for(1)
    assert request.method == "PUT"
    assert request.headers["authorization"] == "Bearer abc"
    assert request.headers["content-type"] == "application/vnd.x+json"


def test_body_is_signed_with_the_secret(make: Make, https_receiver: HttpReceiver) -> None:
    make(secret="s3cret").send(alert(), "k")
    (request,) = https_receiver.wait_for(1)
    assert request.headers["x-hub-signature-256"] == signature(request.body, "s3cret")


def test_login_in_the_url_is_used(make: Make, https_receiver: HttpReceiver) -> None:
    url = https_receiver.url.replace("https://", "https://joe:p%40ss@")
    make(url=f"{url}/a").send(alert(), "k")
    (request,) = https_receiver.wait_for(1)
    assert request.headers["authorization"] == "Basic am9lOnBAc3M="
    assert request.path == "/a"


def test_netrc_and_cookies_do_not_meddle(
    make: Make, https_receiver: HttpReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine localhost login joe password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    https_receiver.answer(Answer(200, {"Set-Cookie": "a=b"}))
    target = make(headers={"Authorization": "Bearer abc"})
    target.send(alert(), "1")
    target.send(alert(), "2")
    for request in https_receiver.wait_for(2):
        assert request.headers["authorization"] == "Bearer abc"
        assert "cookie" not in request.headers


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, (Status.SENT, Reason.OK)),
        (204, (Status.SENT, Reason.OK)),
        (302, (Status.MISCONFIGURED, Reason.REDIRECT)),
        (400, (Status.REFUSED, Reason.BAD_REQUEST)),
        (401, (Status.MISCONFIGURED, Reason.UNAUTHORIZED)),
        (500, (Status.UNAVAILABLE, Reason.SERVER_ERROR)),
    ],
)
def test_status_decides(
    make: Make, https_receiver: HttpReceiver, status: int, expected: tuple[Status, Reason]
) -> None:
    https_receiver.answer(Answer(status, {"Location": "/elsewhere"}, b""))
    outcome = make().send(alert(), "k")
    assert (outcome.status, outcome.reason) == expected
    assert len(https_receiver.requests.all()) == 1


def test_retry_after_is_in_the_outcome(make: Make, https_receiver: HttpReceiver) -> None:
    https_receiver.answer(Answer(429, {"Retry-After": "7"}))
    assert make().send(alert(), "k").retry_after_seconds == 7.0


@pytest.mark.parametrize("before", [150, 180, 185, 2_030])
def test_answer_that_repeats_a_secret_where_it_is_cut_shows_none_of_it(
    make: Make, https_receiver: HttpReceiver, before: int
) -> None:
    secret = "cut-in-an-answer-0123456789"
    remember([secret])
    # Blanks are one on the line that is shown.
    filling = b" " * before if before > 200 else b"x" * before
    https_receiver.answer(Answer(400, body=filling + secret.encode() + b" and more"))
    detail = make().send(alert(), "k").detail
    assert "cut-in" not in detail
    assert "***" in detail or detail.endswith("…")


def test_answer_that_echoes_plate_and_token_is_masked(
    make: Make, https_receiver: HttpReceiver
) -> None:
    https_receiver.answer(Answer(400, body=b"plate ABC123 is wrong"))
    detail = make().send(alert(), "k").detail
    assert detail == "HTTP 400: plate [plate] is wrong"


@pytest.mark.parametrize(("ending", "seconds"), [(HANG, 2.0), (RESET, PATIENCE_SECONDS)])
def test_receiver_that_takes_all_and_answers_nothing_may_have_taken_the_alert(
    ending: Answer, seconds: float, make: Make, https_receiver: HttpReceiver
) -> None:
    https_receiver.answer(ending)
    outcome = make(timeout_seconds=seconds).send(alert(), "k")
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.UNCONFIRMED)
    assert outcome.detail.startswith("the whole message was sent, and may have arrived, but ")
    assert len(https_receiver.requests.all()) == 1


def test_connection_that_is_reset_before_the_request_has_sent_nothing(
    make: Make, https_receiver: HttpReceiver
) -> None:
    https_receiver.reset_next()
    outcome = make().send(alert(), "k")
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.CONNECTION)


def test_receiver_that_is_down_and_up_again_is_reached(
    make: Make, https_receiver: HttpReceiver
) -> None:
    target = make()
    assert target.send(alert(), "1") == SENT
    https_receiver.down()
    assert target.send(alert(), "2") == Outcome(
        Status.UNAVAILABLE, Reason.CONNECTION, "no connection: Connection refused"
    )
    https_receiver.up()
    assert target.send(alert(), "3") == SENT


def test_untrusted_certificate_is_misconfigured(
    https_receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    target = WebhookTarget("hook", "hook:x", WebhookSettings(https_receiver.url))
    outcome = target.send(alert(), "k")
    assert (outcome.status, outcome.reason) == (Status.MISCONFIGURED, Reason.TLS)
    assert "certificate" in outcome.detail


def test_name_that_does_not_exist_is_misconfigured(make: Make) -> None:
    outcome = make(url="https://no-such-host.invalid/x").send(alert(), "k")
    assert (outcome.status, outcome.reason) == (Status.MISCONFIGURED, Reason.NAME_RESOLUTION)


def test_event_that_is_no_json_is_refused_unsent(make: Make, https_receiver: HttpReceiver) -> None:
    outcome = make().send(alert(event={"odd": object()}), "k")
    assert (outcome.status, outcome.reason) == (Status.REFUSED, Reason.MESSAGE_REFUSED)
    assert https_receiver.requests.all() == []


def test_long_answer_is_not_read_to_its_end(make: Make, https_receiver: HttpReceiver) -> None:
    https_receiver.answer(Answer(200, body=b"x" * 5_000_000))
    target = make()
    assert target.send(alert(), "1") == SENT
    assert target.send(alert(), "2") == SENT


def test_sends_run_at_once_up_to_the_concurrency(make: Make, https_receiver: HttpReceiver) -> None:
    https_receiver.answer(HANG, HANG, HANG, HANG)
    target = make(concurrency=4)
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(target.send(alert(), "k")))
        for _ in range(target.concurrency)
    ]
    for thread in threads:
        thread.start()
    https_receiver.wait_for(4)
    https_receiver.release()
    for thread in threads:
        thread.join()
    assert outcomes == [SENT] * 4


def test_connection_is_used_again(make: Make, https_receiver: HttpReceiver) -> None:
    target = make()
    assert target.send(alert(), "1") == SENT
    # A second connection would be reset as soon as it is made.
    https_receiver.reset_next()
    assert target.send(alert(), "2") == SENT


def test_closed_target_can_still_send(make: Make) -> None:
    target = make()
    target.send(alert(), "1")
    target.close()
    assert target.send(alert(), "2") == SENT


def test_target_is_a_target_and_prints_without_its_url(make: Make) -> None:
    target: Target = make("/s3cret")
    assert repr(target) == "WebhookTarget('hook:x')"
    assert (target.channel, target.label, target.concurrency) == ("hook", "hook:x", 4)
    assert target.knows_idempotency_key


def test_body_is_json_of_the_documented_form(make: Make, https_receiver: HttpReceiver) -> None:
    make().send(alert(), "k")
    (request,) = https_receiver.wait_for(1)
    assert set(json.loads(request.body)) == {"alert", "event"}
