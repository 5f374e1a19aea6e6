"""What is odd about how a mail server is spoken to."""

from __future__ import annotations

from typing import Any

import pytest

from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from channels.definitions.security import DEFAULT_PORTS, Tls, TlsProblem, mail_warnings
from engine.errors import ChannelError
from tests.unit.channels.notification_blocks import EMAIL, VARIABLES, faults

EARLY, LATE, CLEAR = TlsProblem.TLS_TOO_EARLY, TlsProblem.TLS_TOO_LATE, TlsProblem.CLEAR_PASSWORD
URL = "mail.example.com:{port}/?from=alerts@example.com&to=gate@example.com"


@pytest.mark.parametrize(
    ("tls", "port", "has_password", "expected"),
    [
        (Tls.SSL, 25, True, [EARLY]),
        (Tls.SSL, 587, True, [EARLY]),
        (Tls.SSL, 2525, False, [EARLY]),
        (Tls.SSL, 465, True, []),
        (Tls.SSL, 8465, True, []),
        (Tls.STARTTLS, 465, True, [LATE]),
        (Tls.STARTTLS, 25, True, []),
        (Tls.STARTTLS, 587, True, []),
        (Tls.STARTTLS, 2525, True, []),
        (Tls.NONE, 465, False, [LATE]),
        (Tls.NONE, 465, True, [LATE, CLEAR]),
        (Tls.NONE, 25, False, []),
        (Tls.NONE, 587, False, []),
        (Tls.NONE, 25, True, [CLEAR]),
    ],
)
def test_only_what_can_hardly_work_or_leaks_is_odd(
    tls: Tls, port: int, has_password: bool, expected: list[TlsProblem]
) -> None:
    assert [each.kind for each in mail_warnings(tls, port, has_password=has_password)] == expected


@pytest.mark.parametrize("tls", Tls)
def test_the_default_port_is_never_odd(tls: Tls) -> None:
    assert list(mail_warnings(tls, DEFAULT_PORTS[tls], has_password=False)) == []


def of_block(**changes: Any) -> list[ChannelError]:
    """What is odd about the block with these changes."""
    warnings: list[ChannelError] = []
    notification_targets("email", {**EMAIL, **changes}, VARIABLES, warnings=warnings)
    return warnings


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({}, []),
        ({"smtp_port": 25}, []),
        ({"use_tls": False}, []),
        ({"use_tls": False, "smtp_port": 25}, [("smtp_port",)]),
        ({"tls": "ssl", "smtp_port": "587"}, [("smtp_port",)]),
        ({"smtp_port": 465}, [("smtp_port",)]),
        ({"tls": "none"}, [("tls",)]),
        ({"tls": "none", "username": None, "password": None}, []),
        ({"tls": "SSL"}, []),
        ({"tls": "starttls", "use_tls": True}, []),
        ({"tls": "ssl", "use_tls": "no"}, []),
    ],
)
def test_a_block_is_warned_of_at_its_key(
    changes: dict[str, Any], paths: list[tuple[str | int, ...]]
) -> None:
    assert [warning.path for warning in of_block(**changes)] == paths


@pytest.mark.parametrize(
    ("tls", "use_tls"),
    [("starttls", False), ("ssl", True), ("none", True), ("none", False)],
)
def test_tls_and_use_tls_that_differ_are_a_fault(tls: str, use_tls: bool) -> None:
    assert faults("email", {**EMAIL, "tls": tls, "use_tls": use_tls}) == [("use_tls",)]


@pytest.mark.parametrize("value", ["tls", "plain", "off", True, False, 1.2, ["ssl"], ""])
def test_another_word_for_tls_is_a_fault_or_none(value: object) -> None:
    if value == "":
        assert of_block(tls=value) == []
    else:
        assert faults("email", {**EMAIL, "tls": value}) == [("tls",)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"mailtos://a:secret@{URL.format(port=25)}&mode=ssl", ["towards port 25"]),
        (f"mailtos://a:secret@{URL.format(port=465)}", ["STARTTLS towards port 465"]),
        (f"mailtos://a:secret@{URL.format(port=465)}&mode=ssl", []),
        (f"mailtos://a:secret@{URL.format(port=587)}", []),
        (f"mailto://{URL.format(port=25)}", []),
        (f"mailto://a:secret@{URL.format(port=25)}", ["without TLS"]),
        (f"mailto://{URL.format(port=465)}", ["no TLS towards port 465"]),
        # Apprise knows that this provider wants TLS.
        ("mailto://somebody:secret@gmail.com", []),
        ("json://localhost", []),
    ],
)
def test_a_mail_url_is_warned_of(url: str, words: list[str]) -> None:
    warnings: list[ChannelError] = []
    entry_targets("guards", [url], {}, warnings=warnings)
    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words, strict=True):
        assert word in warning.what
        assert warning.path == (0,)
        assert "secret" not in f"{warning}"
