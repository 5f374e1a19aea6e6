"""Mail addresses and telephone numbers."""

from __future__ import annotations

import pytest

from channels.plugins.recipients import mail_address, mail_texts, phone_number, source_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ops@example.org", ("", "ops@example.org")),
        (" ops@example.org ", ("", "ops@example.org")),
        ("ops+night@mail.example.org", ("", "ops+night@mail.example.org")),
        ("ops@localhost", ("", "ops@localhost")),
        ("o'brien@example.org", ("", "o'brien@example.org")),
        ("Pat <pat.o'brien+x@example.org>", ("Pat", "pat.o'brien+x@example.org")),
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
        ("1-212-555-1234", "+12125551234"),
        ("1 (212) 555-1234", "+12125551234"),
        ("4917612345678", "+4917612345678"),
        ("+49 (0)176 12345678", "+4917612345678"),
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
    "text",
    [
        "(212) 555-1234",
        "212-555-1234",
        "2125551234",
        "(51) 98765-4321",
        "11987654321",
        "0171 1234567",
        "0044 20 7946 0958",
        "whatsapp:2125551234",
    ],
)
def test_number_without_its_country_is_not_guessed(text: str) -> None:
    with pytest.raises(ValueError, match=r"without its country: write it with \+ and the country"):
        phone_number(text)


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("(212) 555-1234", "US", "+12125551234"),
        ("0171 1234567", "DE", "+491711234567"),
        ("49 171 1234567", "DE", "+491711234567"),
        ("0049 171 1234567", "DE", "+491711234567"),
        ("011 49 171 1234567", "US", "+491711234567"),
        ("(51) 98765-4321", "BR", "+5551987654321"),
        ("+212 612-345678", "US", "+212612345678"),
    ],
)
def test_number_without_its_country_is_of_the_one_given(
    text: str, country: str, expected: str
) -> None:
    assert phone_number(text, country) == expected


def test_number_that_the_country_does_not_have_is_none() -> None:
    with pytest.raises(ValueError, match="is not a telephone number"):
        phone_number("0171 1234567", "US")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@x.de, b@x.de;c@x.de d@x.de", ["a@x.de", "b@x.de", "c@x.de", "d@x.de"]),
        ('"Doe, Ann" <a@x.de>, Bob <b@x.de>', ['"Doe, Ann" <a@x.de>', "Bob <b@x.de>"]),
        ("a@x.de Bob B <b@x.de>", ["a@x.de", "Bob B <b@x.de>"]),
        (" , ;", []),
    ],
)
def test_list_of_addresses_is_parted(text: str, expected: list[str]) -> None:
    assert mail_texts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ACME", "ACME"),
        (" ACME Cars ", "ACME Cars"),
        ("Gate 7", "Gate 7"),
        ("7-Eleven", "7-Eleven"),
        ("+1 555 123 4567", "+15551234567"),
        ("12345", "12345"),
        ("123456", "123456"),
    ],
)
def test_source_may_be_a_short_code(text: str, expected: str) -> None:
    assert source_number(text) == expected


@pytest.mark.parametrize("text", ["1234", "+12345", "", "Acme #1", "a long name of a company"])
def test_source_is_a_number_or_a_short_code(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number to send from: write"):
        source_number(text)
