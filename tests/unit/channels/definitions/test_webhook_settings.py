"""A webhook's settings."""

from __future__ import annotations

from typing import Any

import pytest

from channels.definitions.block import Block, faults_of
from channels.definitions.webhook_settings import (
    WEBHOOK_KEYS,
    check_url,
    read_settings,
    read_webhook,
)
from channels.redact import redact
from channels.targets.webhook import WebhookSettings
from engine.errors import ChannelError

URL = "https://h.example.org/x"


def settings(**values: Any) -> WebhookSettings:
    block = Block(values, {"TOKEN": "hook-t0ken"}, WEBHOOK_KEYS)
    found = read_settings(block, URL)
    block.check()
    return found


def faults(**values: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ChannelError) as caught:
        settings(**values)
    return [(fault.path, fault.what) for fault in faults_of(caught.value)]


def test_nothing_given_is_post_with_thirty_seconds_and_four_at_once() -> None:
    assert settings() == WebhookSettings(URL, "POST", {}, 30.0, "", 4)


def test_everything_given_counts() -> None:
    found = settings(
        method="put",
        headers={"Authorization": "Bearer ${TOKEN}", "X-Site": "north"},
        timeout=2.5,
        secret="${TOKEN}",
        concurrency=9,
    )
    headers = {"Authorization": "Bearer hook-t0ken", "X-Site": "north"}
    assert found == WebhookSettings(URL, "PUT", headers, 2.5, "hook-t0ken", 9)


def test_settings_print_no_secret() -> None:
    shown = repr(settings(headers={"X-Api-Key": "k3y-in-header"}, secret="s3cret-of-hook"))
    assert "k3y-in-header" not in shown
    assert "s3cret-of-hook" not in shown
    assert "h.example.org" not in shown


def test_credentials_in_headers_are_secrets_and_plain_headers_are_not() -> None:
    settings(headers={"Authorization": "Basic am9lOnBhc3M", "X-Site": "north gate"})
    assert redact("am9lOnBhc3M north gate") == "*** north gate"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X Site", "a"),
        ("", "a"),
        ("X-Site", "a\r\nX-Evil: 1"),
        ("X-Site", "a\nb"),
        ("X-Site", "日本"),
        ("Host", "a"),
        ("content-length", "5"),
        ("Idempotency-Key", "a"),
        ("X-Hub-Signature-256", "a"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_header_that_would_spoil_the_request_is_a_fault(name: str, value: str) -> None:
    assert [path for path, _ in faults(headers={name: value})] == [("headers", name)]


def test_other_methods_and_ranges_are_faults() -> None:
    found = faults(method="GET", timeout=0, concurrency=0)
    assert [path for path, _ in found] == [("method",), ("timeout",), ("concurrency",)]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://h.example.org/x", "h.example.org"),
        ("http://joe:pw@127.0.0.1:8080", "127.0.0.1:8080"),
        ("HTTPS://[::1]:9/", "::1:9"),
        ("http://my_receiver/", "my_receiver"),
        ("http://münchen.example/", "münchen.example"),
    ],
)
def test_url_has_a_host(url: str, host: str) -> None:
    block = Block({}, {}, ())
    assert check_url(block, url, "url") == host
    block.check()


@pytest.mark.parametrize(
    "url",
    [
        *("h.example.org", "ftp://h/x", "https://", "https://h:port/", "https://[x", "http://h/\n"),
        *("http://two words/", "http://*.example.org/", "http://a..b/", f"http://{'a' * 64}/"),
    ],
)
def test_url_without_a_usable_host_is_a_fault(url: str) -> None:
    block = Block({}, {}, ())
    check_url(block, url, "url")
    with pytest.raises(ChannelError, match="not a URL of http") as caught:
        block.check()
    assert caught.value.path == ("url",)


def test_target_is_named_by_channel_and_host() -> None:
    block = Block({"url": "https://h.example.org/${TOKEN}"}, {"TOKEN": "hook-t0ken"}, ("url",))
    (target,) = read_webhook("webhook", block, "url")
    assert (target.channel, target.label) == ("webhook", "webhook:h.example.org")
    assert "t0ken" not in repr(target)
