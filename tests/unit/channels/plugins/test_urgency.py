"""An alert's priority, as services with a priority of their own get it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from channels.alert import SENT, Priority
from channels.definitions.channel_entry import entry_targets
from tests.support.answers import Request
from tests.support.http_receiver import HttpReceiver
from tests.support.services import Services
from tests.unit.channels.samples import alert

HEX = "0123456789abcdef0123456789abcdef"
PUSHOVER = f"pover://{'u' * 30}@{'a' * 30}"
Read = Callable[[Request], Any]


def read_form(request: Request) -> Any:
    return request.form()["priority"][0]


def read_severity(request: Request) -> Any:
    return request.json()["payload"]["severity"]


def read_json(request: Request) -> Any:
    return request.json()["priority"]


def read_header(request: Request) -> Any:
    return request.headers.get("x-priority", "")


def sent(url: str, requests: Callable[[], list[Request]], read: Read) -> list[Any]:
    """What the service got for each priority, the highest first."""
    (target,) = entry_targets("ops", url, {}).checked()
    for priority in Priority:
        assert target.send(alert(priority=priority), "k") == SENT
    return [read(request) for request in requests()]


@pytest.mark.parametrize(
    ("url", "read", "expected"),
    [
        (PUSHOVER, read_form, ["1", "0", "-1"]),
        (f"{PUSHOVER}?priority=emergency", read_form, ["2", "2", "2"]),
        (f"pagerduty://{HEX}@{HEX}", read_severity, ["critical", "warning", "info"]),
        (f"pagerduty://{HEX}@{HEX}?severity=error", read_severity, ["error"] * 3),
        (f"opsgenie://{HEX}", read_json, ["P2", "P3", "P4"]),
        (f"opsgenie://{HEX}?priority=1", read_json, ["P1", "P1", "P1"]),
        (f"prowl://{HEX}01234567", read_form, ["1", "0", "-1"]),
    ],
)
def test_priority_reaches_the_service(
    outside: Services, url: str, read: Read, expected: list[str]
) -> None:
    assert sent(url, outside.requests.all, read) == expected


@pytest.mark.parametrize(
    ("url", "read", "expected"),
    [
        ("ntfys://{host}/topic", read_header, ["high", "", "low"]),
        ("ntfys://{host}/topic?priority=max", read_header, ["max", "max", "max"]),
        ("gotifys://{host}/token0123456789", read_json, [8, 5, 3]),
        ("gotifys://{host}/token0123456789?priority=3", read_json, [3, 3, 3]),
    ],
)
def test_priority_reaches_a_service_of_the_house(
    trusted: None, https_receiver: HttpReceiver, url: str, read: Read, expected: list[object]
) -> None:
    url = url.format(host=f"localhost:{https_receiver.port}")
    assert sent(url, https_receiver.requests.all, read) == expected
