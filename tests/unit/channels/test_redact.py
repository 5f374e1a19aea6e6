"""Secrets are taken out of texts."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from channels.redact import SecretMemory, basic_login, is_token, url_secrets

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
        quote(SECRET, safe="").lower(),
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
    ],
)
def test_secret_is_masked_in_every_form(form: str) -> None:
    memory = SecretMemory()
    memory.remember([SECRET])
    assert memory.redact(f"a {form} b") == "a *** b"


def test_nothing_is_masked_at_first() -> None:
    assert SecretMemory().redact(SECRET) == SECRET


def test_secret_that_holds_another_is_masked_whole() -> None:
    memory = SecretMemory()
    memory.remember(["inner-9", "outer-inner-9-and-more", "outer"])
    assert memory.redact("outer-inner-9-and-more") == "***"


def test_short_secret_is_masked_only_where_it_stands_alone() -> None:
    memory = SecretMemory()
    memory.remember(["q7zk"])
    assert memory.redact("pin q7zk, aq7zkb") == "pin ***, aq7zkb"


def test_what_is_too_short_or_blank_is_no_secret() -> None:
    memory = SecretMemory()
    memory.remember(["", "      ", "pin", " a "])
    assert memory.redact("a pin      and more") == "a pin      and more"


def test_url_as_a_whole_its_login_and_its_tokens_are_secrets() -> None:
    url = "https://joe:pa%20ss@h.example.org:8443/hooks/alerts/aB3dE5fG7?key=k3yk3yk3y&x=yes#top"
    found = set(url_secrets(url))
    assert {url, "pa ss", basic_login("joe", "pa ss"), "aB3dE5fG7"} <= found
    assert not found & {"hooks", "alerts", "h.example.org:8443", "yes", "top", "key"}
    assert "k3yk3yk3y" in found


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJnYXRlIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r"


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        (f"https://h.example.org/in/{JWT}", JWT),
        (f"https://h.example.org/in?jwt={JWT}", JWT),
        ("https://h.example.org/in?key=onlyletters", "onlyletters"),
        ("https://h.example.org/in?api_key=1234567890", "1234567890"),
        ("https://h.example.org/in?a=b&sig=a%2Bb%2Fc%3D", "a+b/c="),
        ("https://h.example.org/in;token=semi-colon", "semi-colon"),
        ("https://h.example.org/hooks/abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwx"),
        ("https://h.example.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs/send", "bot123456789:AAHdqT"),
        ("pover://uQiRzpo4DXghDmr9QzzfQu27cmVRsG@azGDORePK8gMaC0QOYAMyEEuzJnyUi", "uQiRzpo4DX"),
        ("pover://uQiRzpo4DXghDmr9QzzfQu27cmVRsG@azGDORePK8gMaC0QOYAMyEEuzJnyUi", "azGDORePK8"),
        ("https://joe@h.example.org/in#access_token=t0ps3cret", "t0ps3cret"),
    ],
)
def test_what_a_url_holds_as_text_is_masked(url: str, secret: str) -> None:
    memory = SecretMemory()
    memory.remember(url_secrets(url))
    whole = next(found for found in sorted(url_secrets(url), key=len) if secret in found)
    for text in (f"bad {whole}!", f"bad {quote(whole, safe='')}!"):
        assert secret not in memory.redact(text)
        assert memory.redact(text).startswith("bad ")


def test_words_of_a_url_are_not_masked() -> None:
    memory = SecretMemory()
    memory.remember(
        url_secrets("https://joe@hooks.example.org:8443/api/v1/plate-alerts/report.json?mode=fast")
    )
    text = "joe hooks.example.org api v1 plate-alerts report.json mode fast"
    assert memory.redact(text) == text


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
        ("abcdefghijklmnopqrst", True),
        ("alerts-of-the-northern-gate", False),
        ("KEYKEYKEYKEYKEYKEYKEYKEY", True),
    ],
)
def test_token_is_letters_with_digits(text: str, expected: bool) -> None:
    assert is_token(text) is expected
