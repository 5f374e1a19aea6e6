"""A message made as long as its service takes, so that nobody else cuts it.

What others cut ends in the middle of a word without a mark, and loses the facts at its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from apprise import NotifyBase
from apprise.common import NotifyFormat, OverflowMode
from apprise.conversion import convert_between

from channels.message.render import Bounds, Format, Message

Render = Callable[[Bounds], Message]

_CUTTING: Final = OverflowMode.TRUNCATE
_convert: Final[Callable[..., str]] = convert_between
_calls_of: Final[Callable[..., Any]] = NotifyBase._build_send_calls
#: With less of the alert's own text than this, the link to the image is left out.
_FEWEST: Final = 40
_MIN_SMS: Final = 20


def bounds_of(plugin: NotifyBase, *, has_brackets: bool = True) -> Bounds:
    """What a plugin's service has room for, but for the length of the text."""
    room = Bounds(has_brackets=has_brackets)
    limit, title, lines = limit_of(plugin), int(plugin.title_maxlen), plugin.body_max_line_count
    return replace(
        room,
        title=min(room.title, limit.title, title if title > 0 else room.title),
        lines=int(lines) or None,
        sms=max(_MIN_SMS, min(room.sms, limit.body, int(plugin.body_maxlen) or room.sms)),
    )


def fit(plugin: NotifyBase, make: Render, room: Bounds, text: str) -> Message:
    """The longest of the messages that `make` gives and that the plugin sends uncut.

    `text` is the alert's own, which is shortened; where the facts alone are too long, the link to
    the image is left out. The shortest message is given where none fits.
    """
    whole = make(room)
    if _fits(plugin, whole):
        return whole
    length = min(len(text), int(plugin.body_maxlen))
    with_image = _longest(plugin, make, room, length)
    if with_image >= min(_FEWEST, length):
        return make(replace(room, text=with_image))
    room = replace(room, has_image=False)
    without = _longest(plugin, make, room, length)
    return make(replace(room, text=max(without, 1)))


def _longest(plugin: NotifyBase, make: Render, room: Bounds, length: int) -> int:
    """How much of the text fits; 0 where nothing does."""
    low, high = 0, length
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(plugin, make(replace(room, text=middle))):
            low = middle
        else:
            high = middle - 1
    return low


def _fits(plugin: NotifyBase, message: Message) -> bool:
    """Whether the plugin sends all of the message at once, and its service takes it."""
    is_text = message.format is Format.TEXT
    if is_text and len(message.body) > int(plugin.body_maxlen):
        # No conversion of a text makes it shorter.
        return False
    sent, meant = (_sent(plugin, message, mode) for mode in (_CUTTING, OverflowMode.UPSTREAM))
    if len(sent) != 1 or sent != meant:
        return False
    ((title, body),) = sent
    return limit_of(plugin).has_room_for(title, body)


def _sent(plugin: NotifyBase, message: Message, mode: OverflowMode) -> list[tuple[str, str]]:
    """Title and body of what the plugin would send, converted as Apprise converts them."""
    given = NotifyFormat(message.format.value)
    taken = plugin.resolve_format(given)
    title = message.title
    if title and plugin.title_maxlen <= 0:
        title = _convert(given, taken, title)
    calls = _calls_of(
        plugin,
        body=_convert(given, taken, message.body),
        title=title,
        overflow=mode,
        body_format=taken,
        body_passthrough=False,
    )
    return [(call["title"], call["body"]) for call in calls]


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
