"""Mail addresses and telephone numbers."""

from __future__ import annotations

import pytest

from channels.recipients import mail_address, phone_number, source_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ops@example.org", ("", "ops@example.org")),
        (" ops@example.org ", ("", "ops@example.org")),
        ("ops+night@mail.example.org", ("", "ops+night@mail.example.org")),
        ("ops@localhost", ("", "ops@localhost")),
        ("Ops Team <ops@example.org>", ("Ops Team", "ops@example.org")),
        ('"Ops, Team" <ops@example.org>', ("Ops, Team", "ops@example.org")),
        ("Ops, Team <ops@example.org>", ("Ops, Team", "ops@example.org")),
        ("Öps <ops@example.org>", ("Öps", "ops@example.org")),
        ("<ops@example.org>", ("", "ops@example.org")),
    ],
)
def test_address_may_have_a_name(text: str, expected: tuple[str, str]) -> None:
    assert mail_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ops",
        "ops@",
        "@example.org",
        "ops@mail",
        "a@example.org, b@example.org",
        "a@example.org b@example.org",
        "a b@example.org",
        "öps@example.org",
        "a@example.org\r\nBcc: b@example.org",
        "A\nB <a@example.org>",
        "<a@example.org> <b@example.org>",
        "A <a@example.org",
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a mail address: write"):
        mail_address(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+15551234567", "+15551234567"),
        ("15551234567", "+15551234567"),
        ("+1 (555) 123-4567", "+15551234567"),
        ("+49 30 1234.5678", "+493012345678"),
        ("whatsapp:+15551234567", "whatsapp:+15551234567"),
        ("w: 15551234567", "whatsapp:+15551234567"),
    ],
)
def test_number_is_given_in_international_form(text: str, expected: str) -> None:
    assert phone_number(text) == expected


@pytest.mark.parametrize(
    "text", ["", "555", "+0123456789", "+1555123456789012", "call me", "55512"]
)
def test_anything_else_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is not a telephone number: write"):
        phone_number(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("+1 555 123 4567", "+15551234567"), ("12345", "12345"), ("123456", "123456")],
)
def test_source_may_be_a_short_code(text: str, expected: str) -> None:
    assert source_number(text) == expected


@pytest.mark.parametrize("text", ["1234", "1234567", "+12345", "", "Acme"])
def test_source_is_a_number_or_a_short_code(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number to send from: write"):
        source_number(text)
