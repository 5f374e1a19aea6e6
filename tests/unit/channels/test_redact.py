"""Secrets are taken out of texts."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from channels.redact import Memory, basic_login, is_token, url_secrets

SECRET = "s3c/ret@# %\"ü'&x"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_secret_is_masked_in_every_form(form: str) -> None:
    memory = Memory()
    memory.remember([SECRET])
    assert memory.redact(f"a {form} b") == "a *** b"


def test_nothing_is_masked_at_first() -> None:
    assert Memory().redact(SECRET) == SECRET


def test_secret_that_holds_another_is_masked_whole() -> None:
    memory = Memory()
    memory.remember(["inner-9", "outer-inner-9-and-more", "outer"])
    assert memory.redact("outer-inner-9-and-more") == "***"


def test_short_secret_is_masked_only_where_it_stands_alone() -> None:
    memory = Memory()
    memory.remember(["q7zk"])
    assert memory.redact("pin q7zk, aq7zkb") == "pin ***, aq7zkb"


def test_what_is_too_short_or_blank_is_no_secret() -> None:
    memory = Memory()
    memory.remember(["", "      ", "pin", " a "])
    assert memory.redact("a pin      and more") == "a pin      and more"


def test_url_as_a_whole_its_login_and_its_tokens_are_secrets() -> None:
    url = "https://joe:pa%20ss@h.example.org:8443/hooks/alerts/aB3dE5fG7?key=k3yk3yk3y&x=yes#top"
    found = set(url_secrets(url))
    assert {url, "pa ss", basic_login("joe", "pa ss"), "aB3dE5fG7"} <= found
    assert not found & {"hooks", "alerts", "h.example.org:8443", "yes", "top", "key"}
    assert "k3yk3yk3y" in found


def test_unreadable_url_is_a_secret_as_a_whole() -> None:
    assert list(url_secrets("https://[broken")) == ["https://[broken"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alerts", False),
        ("ab12", False),
        ("abcd1234", True),
        ("12345678", False),
        ("a.b1c2d3e4", False),
    ],
)
def test_token_is_letters_with_digits(text: str, expected: bool) -> None:
    assert is_token(text) is expected
