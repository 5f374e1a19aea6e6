"""Mail addresses and telephone numbers, checked as strictly as the services behind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from apprise.utils.parse import is_email

_is_email: Final[Callable[[str], Any]] = is_email
_NAMED: Final = re.compile(r"([^<>]*)<\s*([^<>\s]+)\s*>")
_SEPARATORS: Final = re.compile(r"[\s().-]+")
_NUMBER: Final = re.compile(r"\+?[1-9]\d{9,13}")
_SOURCE: Final = re.compile(r"\+?[1-9]\d{10,13}|\d{5,6}")
_WHATSAPP: Final = re.compile(r"(?:w|whatsapp)\s*:\s*", re.I)


class RecipientError(ValueError):
    """A text is no recipient: `what` it is not, and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what = what
        self.remedy = remedy


def mail_address(text: str) -> tuple[str, str]:
    """The name, possibly empty, and the address of `address` or `Name <address>`.

    Raises RecipientError for anything else, for several addresses, and for what Apprise would drop.
    """
    named = _NAMED.fullmatch(text.strip())
    name, address = (named[1].strip(' "'), named[2]) if named else ("", text.strip())
    found = _is_email(address)
    is_one_line = text.isprintable()
    if not found or found["full_email"] != address or not is_one_line or not address.isascii():
        raise RecipientError(
            f"{text!r} is not a mail address", "write name@example.org or Name <name@example.org>"
        )
    return name, address


def phone_number(text: str) -> str:
    """A number in international form, `+15551234567`; `whatsapp:` may stand before it.

    Raises RecipientError for anything else.
    """
    prefix, number = _split(text)
    if not _NUMBER.fullmatch(number):
        raise RecipientError(f"{text!r} is not a telephone number", "write it like +15551234567")
    return f"{prefix}+{number.lstrip('+')}"


def source_number(text: str) -> str:
    """The number that messages are sent from: international, or a short code of 5 or 6 digits.

    Raises RecipientError for anything else.
    """
    prefix, number = _split(text)
    if not _SOURCE.fullmatch(number):
        raise RecipientError(f"{text!r} is not a number to send from", "write it like +15551234567")
    return f"{prefix}{number}" if len(number) < 7 else f"{prefix}+{number.lstrip('+')}"


def _split(text: str) -> tuple[str, str]:
    found = _WHATSAPP.match(text.strip())
    number = text.strip()[found.end() if found else 0 :]
    return "whatsapp:" if found else "", _SEPARATORS.sub("", number)
