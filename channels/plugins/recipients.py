"""Mail addresses and telephone numbers, checked as strictly as the services behind them."""

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
#: What parts telephone numbers, which may have blanks inside.
_BETWEEN_NUMBERS: Final = re.compile(r"[,;|\r\n]+|\s+(?=\+|[a-z]+:)", re.I)
_WHATSAPP: Final = re.compile(r"(?:w|whatsapp)\s*:\s*", re.I)
_PHONE: Final = re.compile(r"\+?[\s(]*[0-9][0-9\s().\-/]*")
#: A number of a country's own net, or one of them all: fewer digits are a short code.
_FEWEST_DIGITS: Final = 7
#: What Apprise takes for a telephone number.
_FEWEST_WITH_COUNTRY: Final = 10
_MOST_WITH_COUNTRY: Final = 14
#: Digits that begin with their country though there is no `+`. Shorter ones may be an American
#: number without its 1, which is a Moroccan one with a `+`.
_WHOLE: Final = re.compile(r"[1-9][0-9]{10,13}")
#: American numbers with their 1. The library does not know 555, of which examples are made.
_AMERICAN: Final = re.compile(r"1[2-9][0-9]{9}")
_ONE: Final = re.compile(r"1[\s(.-]*[2-9]")
_SHORT_CODE: Final = re.compile(r"[0-9]{5,6}")
_SENDER_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +&_-]{1,11}")
_MESSAGING_SERVICE: Final = re.compile(r"MG[0-9a-f]{32}", re.I)
EXAMPLE: Final = "+15551234567"
_SENDER: Final = "a number to send from"


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
    """The texts between the commas, semicolons and blanks of a text that lists addresses."""
    return [found.strip() for found in _ADDRESS.findall(text)]


def normalized_mail(address: str) -> str:
    """What two spellings of one mail address have in common."""
    return address.casefold()


def normalized_room(room: str) -> str:
    """What two spellings of one room of Slack have in common."""
    return room.removeprefix("#").casefold()


def phone_texts(text: str) -> list[str]:
    """The texts between the commas and semicolons of a text that lists telephone numbers."""
    return [found.strip() for found in _BETWEEN_NUMBERS.split(text) if found.strip()]


def is_phone_like(text: str) -> bool:
    """Whether a text has the signs and the length of a telephone number."""
    return bool(_PHONE.fullmatch(text.strip())) and len(_digits(text)) >= _FEWEST_DIGITS


def phone_number(text: str, country: str = "") -> str:
    """A number in international form, `+15551234567`; `whatsapp:` may stand before it.

    A number without its country is one of `country`, such as `US`. Raises RecipientError for a
    number without any country, and for anything else.
    """
    prefix, number = _split(text)
    return prefix + _international(text, number, country, "a telephone number")


def source_number(text: str, country: str = "") -> str:
    """What messages are sent from: a number, a short code of 5 or 6 digits, or a sender's name.

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
    """Whether what `source_number` gave is a name rather than a number."""
    return _SENDER_NAME.fullmatch(source) is not None


def is_country(text: str) -> bool:
    """Whether a text is a country's code of two capital letters that has telephone numbers."""
    return text in phonenumbers.SUPPORTED_REGIONS


def _international(text: str, number: str, country: str, meant: str) -> str:
    """`number` as `+15551234567`; `text` is what was written, and `meant` what it should be."""
    or_name = ", or a name like ACME" if meant is _SENDER else ""
    wrong = RecipientError(f"{text!r} is not {meant}", f"write it like {EXAMPLE}{or_name}")
    if not is_phone_like(number):
        raise wrong
    if number.startswith("+"):
        found = _parsed(number, None)
    elif country:
        found = _of_country(number, country)
    elif _is_whole(number):
        found = f"+{_digits(number)}"
    else:
        raise RecipientError(
            f"{text!r} is {meant} without its country",
            f'write it with + and the country, like "{EXAMPLE}", or add `default_country: US`, '
            "or whichever it is, beside it",
        )
    if not _FEWEST_WITH_COUNTRY <= len(_digits(found)) <= _MOST_WITH_COUNTRY:
        raise wrong
    return found


def _of_country(number: str, country: str) -> str:
    """A number of a country, which may stand before it though no `+` does."""
    whole = _parsed(f"+{_digits(number)}", None)
    code = phonenumbers.country_code_for_region(country)
    # The library takes 49 171 1234567 for one of the town with the code 0491.
    if whole.startswith(f"+{code}") and _is_valid(whole):
        return whole
    return _parsed(number, country)


def _parsed(number: str, country: str | None) -> str:
    """The number as `+15551234567`; empty where no country has such numbers."""
    try:
        found = phonenumbers.parse(number, country)
    except NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(found):
        return ""
    return phonenumbers.format_number(found, PhoneNumberFormat.E164)


def _is_whole(number: str) -> bool:
    """Whether digits without a `+` are those of a whole number; YAML reads +15551234567 so."""
    if _ONE.match(number) and _AMERICAN.fullmatch(_digits(number)):
        return True
    if not _WHOLE.fullmatch(number):
        return False
    return _is_valid(f"+{number}")


def _is_valid(number: str) -> bool:
    """Whether `+15551234567` is a number that its country gives out."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, None))
    except NumberParseException:
        return False


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _split(text: str) -> tuple[str, str]:
    found = _WHATSAPP.match(text.strip())
    return "whatsapp:" if found else "", text.strip()[found.end() if found else 0 :].strip()
