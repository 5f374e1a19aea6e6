from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from engine.errors import SettingsError
from engine.health import Check
from engine.service.http import WebPort, readiness
from tests.support.patience import PATIENCE_SECONDS

ALIVE = Check(True)


@pytest.fixture
def checks() -> dict[str, Check]:
    return {"store": Check(True, "writable")}


@pytest.fixture
def port(checks: dict[str, Check]) -> Iterator[int]:
    with WebPort(
        "127.0.0.1", 0, lambda: b"a_metric 1\n", lambda: checks, lambda: checks.get("life", ALIVE)
    ) as web:
        yield web.port


def fetch(port: int, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_metrics_are_prometheus_text(port: int) -> None:
    status, kind, body = fetch(port, "/metrics?name[]=x")
    assert (status, body) == (200, b"a_metric 1\n")
    assert kind.startswith("text/plain; version=0.0.4")


def test_healthz_says_alive_whatever_the_checks_say(port: int, checks: dict[str, Check]) -> None:
    checks["store"] = Check(False, "disk full")
    assert fetch(port, "/healthz")[0] == 200


def test_healthz_fails_with_the_reason_when_the_loop_is_lost(
    port: int, checks: dict[str, Check]
) -> None:
    checks["life"] = Check(False, "loop stuck for 301 s: matching an event")
    status, kind, body = fetch(port, "/healthz")
    assert (status, kind) == (503, "application/json; charset=utf-8")
    told = json.loads(body)
    assert told == {"status": "stuck", "detail": "loop stuck for 301 s: matching an event"}


def test_a_client_that_goes_away_is_no_news(
    port: int, checks: dict[str, Check], capfd: pytest.CaptureFixture[str]
) -> None:
    # Longer than what the kernel takes for a reader that is not there.
    checks["store"] = Check(False, "x" * 20_000_000)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        client.recv(1)
    checks["store"] = Check(True)
    assert fetch(port, "/readyz")[0] == 200
    assert capfd.readouterr().err == ""


def test_readyz_names_what_is_not_ready(port: int, checks: dict[str, Check]) -> None:
    assert fetch(port, "/readyz")[0] == 200
    checks["store"] = Check(False, "disk full")
    status, kind, body = fetch(port, "/readyz")
    assert status == 503
    assert kind.startswith("application/json")
    assert json.loads(body) == {
        "status": "not ready",
        "ready": False,
        "checks": {"store": {"ok": False, "detail": "disk full"}},
    }


def test_an_inessential_failure_is_degraded_but_ready() -> None:
    held = Check(False, "held", is_essential=False, facts={"held": ["sms:a"]})
    status, body = readiness({"channels": held})
    assert status is HTTPStatus.OK
    assert json.loads(body)["status"] == "degraded"
    assert json.loads(body)["checks"]["channels"]["held"] == ["sms:a"]


def test_an_unknown_path_is_not_found_and_names_the_known(port: int) -> None:
    status, _, body = fetch(port, "/nothing")
    assert status == 404
    assert json.loads(body)["paths"] == ["/metrics", "/healthz", "/readyz"]
    assert fetch(port, "/")[0] == 200


def test_head_answers_without_a_body(port: int) -> None:
    assert fetch(port, "/healthz", "HEAD")[::2] == (200, b"")


def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"METRICS_PORT.*127\.0\.0\.1:{number}"):
            WebPort("127.0.0.1", number, lambda: b"", dict)


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 70, "a..b"])
def test_an_address_that_is_not_of_this_machine_is_told_as_such(host: str) -> None:
    with pytest.raises(SettingsError, match=r"METRICS_HOST: can't listen on .*, set an address"):
        WebPort(host, 0, lambda: b"", dict)
