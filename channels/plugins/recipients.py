"""Checks mail addresses and telephone numbers as strictly as mail servers and SMS services do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import phonenumbers
from apprise.utils.parse import is_email
from phonenumbers import NumberParseException, PhoneNumberFormat

_is_email: Final[Callable[[str], Any]] = is_email
_NAMED: Final = re.compile(r"([^<>]*)<\s*([^<>\s]+)\s*>")
#: One of several addresses: `Name <address>`, or what stands between blanks and commas.
_ADDRESS: Final = re.compile(r'(?:"[^"]*"|[^<>,;"@])*<[^<>]*>|[^\s,;]+')
#: Separates telephone numbers, which may have blanks inside.
_NUMBER_SEPARATOR: Final = re.compile(r"[,;|\r\n]+|\s+(?=\+|[a-z]+:)", re.I)
_WHATSAPP: Final = re.compile(r"(?:w|whatsapp)\s*:\s*", re.I)
_PHONE: Final = re.compile(r"\+?[\s(]*[0-9][0-9\s().\-/]*")
#: Fewer digits are a short code.
_MIN_DIGITS: Final = 7
#: The digits of a number that Apprise accepts, with its country.
_MIN_WITH_COUNTRY: Final = 10
_MAX_WITH_COUNTRY: Final = 14
#: Digits that may begin with their country, although there is no `+`. Shorter ones may be an
#: American number without its 1, which would be a Moroccan one after a `+`.
_WITH_COUNTRY: Final = re.compile(r"[1-9][0-9]{10,13}")
#: American numbers with their 1; `phonenumbers` calls those with 555, as in examples, invalid.
_AMERICAN: Final = re.compile(r"1[2-9][0-9]{9}")
_LEADING_ONE: Final = re.compile(r"1[\s(.-]*[2-9]")
_SHORT_CODE: Final = re.compile(r"[0-9]{5,6}")
_SENDER_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +&_-]{1,11}")
_MESSAGING_SERVICE: Final = re.compile(r"MG[0-9a-f]{32}", re.I)
EXAMPLE: Final = "+15551234567"
_SENDER: Final = "a number to send from"


class RecipientError(ValueError):
    """A text is no recipient; `what` is wrong, and the `remedy`."""

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
    # Apprise would read o'brien@ as brien@.
    plain = address.replace("'", "_")
    found = _is_email(plain)
    is_one_line = text.isprintable()
    if not found or found["full_email"] != plain or not is_one_line or not address.isascii():
        raise RecipientError(
            f"{text!r} is not a mail address", "write name@example.org or Name <name@example.org>"
        )
    return name, address


def mail_texts(text: str) -> list[str]:
    """The addresses of a text that lists them, unchecked, split at `,`, `;` and blanks."""
    return [found.strip() for found in _ADDRESS.findall(text)]


def normalized_mail(address: str) -> str:
    """The same text for every spelling of a mail address."""
    return address.casefold()


def normalized_room(room: str) -> str:
    """The same text for every spelling of a Slack room."""
    return room.removeprefix("#").casefold()


def room_label(room: str) -> str:
    """A Slack room as people see it, `#alerts`; people and ids only lose their capitals."""
    name = normalized_room(room)
    return f"#{name}" if name[:1].isalnum() and "@" not in name else name


def phone_texts(text: str) -> list[str]:
    """The numbers of a text that lists them, split at commas and semicolons; unchecked."""
    return [found.strip() for found in _NUMBER_SEPARATOR.split(text) if found.strip()]


def is_phone_like(text: str) -> bool:
    """Whether a text has the characters and the length of a telephone number."""
    return bool(_PHONE.fullmatch(text.strip())) and len(_digits(text)) >= _MIN_DIGITS


def phone_number(text: str, country: str = "") -> str:
    """A number in international form, `+15551234567`; `whatsapp:` before it is kept.

    A number without its country belongs to `country`, such as `US`. Raises RecipientError for one
    whose country is not known, and for anything else.
    """
    prefix, number = _split(text)
    return prefix + _international(text, number, country, "a telephone number")


def source_number(text: str, country: str = "") -> str:
    """A sender of messages: a number, a short code of 5 or 6 digits, or a name.

    A name has at most 11 letters, digits and blanks. Raises RecipientError for anything else.
    """
    prefix, number = _split(text)
    if _SHORT_CODE.fullmatch(number) or (not prefix and _SENDER_NAME.fullmatch(number)):
        return prefix + number
    if _MESSAGING_SERVICE.fullmatch(number):
        raise RecipientError(
            "the sender is the SID of a Messaging Service, by which Apprise can't send",
            f"write one of the service's senders: a number like {EXAMPLE}, or a name like ACME",
        )
    return prefix + _international(text, number, country, _SENDER)


def is_sender_name(source: str) -> bool:
    """Whether a result of `source_number` is a name."""
    return _SENDER_NAME.fullmatch(source) is not None


def is_country(text: str) -> bool:
    """Whether a text is the code of a country, in two capital letters."""
    return text in phonenumbers.SUPPORTED_REGIONS


def _international(text: str, number: str, country: str, wanted: str) -> str:
    """`number` as `+15551234567`; errors quote `text`, and say that it is not `wanted`."""
    or_name = ", or a name like ACME" if wanted is _SENDER else ""
    wrong = RecipientError(f"{text!r} is not {wanted}", f"write it like {EXAMPLE}{or_name}")
    if not is_phone_like(number):
        raise wrong
    if number.startswith("+"):
        found = _parsed(number, None)
    elif country:
        found = _of_country(number, country)
    elif _has_country(number):
        found = f"+{_digits(number)}"
    else:
        raise RecipientError(
            f"{text!r} is {wanted} without its country",
            f'write it with + and the country, like "{EXAMPLE}", or add `default_country: US`, '
            "or whichever it is, beside it",
        )
    if not _MIN_WITH_COUNTRY <= len(_digits(found)) <= _MAX_WITH_COUNTRY:
        raise wrong
    return found


def _of_country(number: str, country: str) -> str:
    """A number of a country, whose code may be in front of it without a `+`."""
    whole = _parsed(f"+{_digits(number)}", None)
    code = phonenumbers.country_code_for_region(country)
    # `phonenumbers` would take 49 171 1234567 for one of the area with the code 0491.
    if whole.startswith(f"+{code}") and _is_valid(whole):
        return whole
    return _parsed(number, country)


def _parsed(number: str, country: str | None) -> str:
    """The number as `+15551234567`; empty where no country has such a number."""
    try:
        found = phonenumbers.parse(number, country)
    except NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(found):
        return ""
    return phonenumbers.format_number(found, PhoneNumberFormat.E164)


def _has_country(number: str) -> bool:
    """Whether digits without a `+` begin with their country, as where YAML reads +15551234567."""
    if _LEADING_ONE.match(number) and _AMERICAN.fullmatch(_digits(number)):
        return True
    if not _WITH_COUNTRY.fullmatch(number):
        return False
    return _is_valid(f"+{number}")


def _is_valid(number: str) -> bool:
    """Whether a number like `+15551234567` is in a range that its country assigns."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, None))
    except NumberParseException:
        return False


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _split(text: str) -> tuple[str, str]:
    found = _WHATSAPP.match(text.strip())
    return "whatsapp:" if found else "", text.strip()[found.end() if found else 0 :].strip()
