"""How long a message each service takes; text messages are counted in segments, as networks do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apprise import NotifyBase

_MOST: Final = 1_000_000


class LengthUnit(StrEnum):
    """What a service counts."""

    CHARACTERS = "characters"
    BYTES = "bytes of UTF-8"
    UTF_16 = "units of UTF-16"


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest title and body that a service takes, and both of them as JSON in ASCII."""

    body: int = _MOST
    title: int = _MOST
    unit: LengthUnit = LengthUnit.CHARACTERS
    json: int = _MOST

    def has_room_for(self, title: str, body: str) -> bool:
        """Whether the service takes this title and body."""
        return (
            length_in(title, self.unit) <= self.title
            and length_in(body, self.unit) <= self.body
            and (self.json == _MOST or len(json.dumps(title + body)) <= self.json)
        )


#: What services cut or refuse though their plugins let it pass, by the plugins' schemas. Sources:
#: ntfy, "Limitations" (what is longer becomes an attachment); Opsgenie, "Create Alert"; Telegram,
#: sendMessage; LINE, "Text message"; Webex, "Create a Message"; WeCom, "Group Robot"; DingTalk,
#: Lark and Feishu, "Custom bot" (20 KB with the JSON around); RFC 8291 (Web Push); RFC 2812 (IRC).
LIMITS: Final[Mapping[str, Limit]] = {
    # Of more than 8,000 bytes of JSON the plugin makes an attachment.
    "ntfy": Limit(4_096, 250, LengthUnit.BYTES, 7_500),
    "opsgenie": Limit(title=130),
    "tgram": Limit(4_096, unit=LengthUnit.UTF_16),
    "line": Limit(5_000, unit=LengthUnit.UTF_16),
    "wxteams": Limit(7_439, unit=LengthUnit.BYTES),
    "wecombot": Limit(2_048, unit=LengthUnit.BYTES),
    "dingtalk": Limit(json=18_000),
    "lark": Limit(json=18_000),
    "feishu": Limit(json=18_000),
    "vapid": Limit(3_500, unit=LengthUnit.BYTES),
    "irc": Limit(380, unit=LengthUnit.BYTES),
    "twilio": Limit(1_600),
}
_NONE: Final = Limit()


def limit_of(plugin: NotifyBase) -> Limit:
    """What a plugin's service takes, beside what the plugin itself knows."""
    schemas: set[str] = plugin.schemas()  # type: ignore[no-untyped-call]
    return next((LIMITS[schema] for schema in sorted(schemas) if schema in LIMITS), _NONE)


def length_in(text: str, unit: LengthUnit) -> int:
    """How long a text is in a unit."""
    if unit is LengthUnit.BYTES:
        return len(text.encode("utf-8", "surrogatepass"))
    if unit is LengthUnit.UTF_16:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text)


_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
_BEYOND_ONE_UNIT: Final = 0xFFFF
# Three letters of GSM-7: one "…" would make the whole text UCS-2.
_MARK: Final = "..."
#: The longest text message, in units of its alphabet: one segment of GSM-7, three of UCS-2.
LENGTH: Final = 160


class Alphabet(StrEnum):
    """How the letters of a text message are written."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


_ALONE: Final = {Alphabet.GSM_7: 160, Alphabet.UCS_2: 70}
_EACH: Final = {Alphabet.GSM_7: 153, Alphabet.UCS_2: 67}


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text message costs; `beyond` are its letters that GSM-7 does not have, in order."""

    alphabet: Alphabet
    units: int
    count: int
    beyond: str = ""


def segments_of(text: str) -> Segments:
    """The alphabet of a text, its length in units of it, and how many segments are sent."""
    beyond = "".join(dict.fromkeys(sign for sign in text if not _is_gsm(sign)))
    alphabet = Alphabet.UCS_2 if beyond else Alphabet.GSM_7
    widths = [_width(sign, alphabet) for sign in text]
    units = sum(widths)
    count = 1 if units <= _ALONE[alphabet] else _filled(widths, _EACH[alphabet])
    return Segments(alphabet, units, count, beyond)


def cut_text(text: str, length: int = LENGTH) -> str:
    """The text, or its beginning and `...`, with at most `length` units and characters."""
    if _fits_segments(text, length):
        return text
    while text and not _fits_segments(text + _MARK, length):
        text = text[: min(len(text) - 1, length - len(_MARK))]
    return text.rstrip("\u200d\ufe0f").rstrip() + _MARK


def _fits_segments(text: str, length: int) -> bool:
    return len(text) <= length and segments_of(text).units <= length


def _filled(widths: Iterable[int], room: int) -> int:
    """How many segments are filled: no letter of two units is parted."""
    count, used = 1, 0
    for width in widths:
        if used + width > room:
            count, used = count + 1, 0
        used += width
    return count


def _is_gsm(sign: str) -> bool:
    return sign in _BASIC or sign in _EXTENSION


def _width(sign: str, alphabet: Alphabet) -> int:
    if alphabet is Alphabet.GSM_7:
        return 2 if sign in _EXTENSION else 1
    return 2 if ord(sign) > _BEYOND_ONE_UNIT else 1
