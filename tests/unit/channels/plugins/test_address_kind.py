"""An address in the place of a URL is recognized."""

from __future__ import annotations

import pytest

from channels.plugins.url import address_kind


@pytest.mark.parametrize(
    ("text", "kind", "remedy"),
    [
        ("ops@example.com", "a mail address", "mailtos://"),
        ("Operations <ops@example.com>", "a mail address", "`email`"),
        ("+15551234567", "a telephone number", "twilio://"),
        ("+1 (555) 123-4567", "a telephone number", "`sms`"),
        ("0155/1234567", "a telephone number", "`sms`"),
        ("#alerts", "a room of a chat", "slack://"),
        ("@gate", "a room of a chat", "`slack`"),
        ("hooks.slack.com/services/T0/B0", "an address without its scheme", "https://"),
        ("192.168.1.5:8080", "an address without its scheme", "http://"),
    ],
)
def test_an_address_comes_with_what_to_write(text: str, kind: str, remedy: str) -> None:
    found, written = address_kind(text)
    assert found == kind
    assert remedy in written
    assert text not in written


@pytest.mark.parametrize("text", ["pager", "gate 1", "12345", "", "@", "2025", "a: b"])
def test_anything_else_is_no_address(text: str) -> None:
    assert address_kind(text) == ("", "")
