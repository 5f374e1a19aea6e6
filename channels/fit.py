"""Shortens a message to what its service takes, so that neither Apprise nor the service cuts it.

They would cut in the middle of a word, without a mark, and drop the facts at the end.
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

from channels.render import Bounds, Format, Message

Render = Callable[[Bounds], Message]

_convert: Final[Callable[..., str]] = convert_between
_build_calls: Final[Callable[..., Any]] = NotifyBase._build_send_calls
#: With less of the alert's own text than this, the link to the image is left out.
_MIN_TEXT: Final = 40
_MIN_SMS: Final = 20
_UNLIMITED: Final = 1_000_000


class LengthUnit(StrEnum):
    """The unit in which a service counts the length of a text."""

    CHARACTERS = "characters"
    BYTES = "bytes of UTF-8"
    UTF_16 = "units of UTF-16"


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest title and body that a service takes; `json` is for both as JSON in ASCII."""

    body: int = _UNLIMITED
    title: int = _UNLIMITED
    unit: LengthUnit = LengthUnit.CHARACTERS
    json: int = _UNLIMITED

    def allows(self, title: str, body: str) -> bool:
        """Whether the service takes this title and body."""
        return (
            length_in(title, self.unit) <= self.title
            and length_in(body, self.unit) <= self.body
            and (self.json == _UNLIMITED or len(json.dumps(title + body)) <= self.json)
        )


#: Limits of services that their plugins do not know, by the plugins' schemas. Sources:
#: ntfy, "Limitations" (what is longer becomes an attachment); Opsgenie, "Create Alert"; Telegram,
#: sendMessage; LINE, "Text message"; Webex, "Create a Message"; WeCom, "Group Robot"; DingTalk,
#: Lark and Feishu, "Custom bot" (20 KB with the JSON around); RFC 8291 (Web Push); RFC 2812 (IRC).
LIMITS: Final[Mapping[str, Limit]] = {
    # The plugin turns more than 8,000 bytes of JSON into an attachment.
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
_NO_LIMIT: Final = Limit()


def bounds_of(plugin: NotifyBase, *, has_brackets: bool = True) -> Bounds:
    """The bounds of a plugin's service, but for the length of the text, which `fit` finds."""
    bounds = Bounds(has_brackets=has_brackets)
    limit, title, lines = limit_of(plugin), int(plugin.title_maxlen), plugin.body_max_line_count
    return replace(
        bounds,
        title=min(bounds.title, limit.title, title if title > 0 else bounds.title),
        lines=int(lines) or None,
        sms=max(_MIN_SMS, min(bounds.sms, limit.body, int(plugin.body_maxlen) or bounds.sms)),
    )


def fit(plugin: NotifyBase, render_in: Render, bounds: Bounds, text: str) -> Message:
    """The longest message of `render_in` that the plugin sends uncut, or the shortest if none is.

    `text` is the alert's own message, which is shortened. Where hardly any of it would be left,
    the link to the image is left out.
    """
    whole = render_in(bounds)
    if _fits(plugin, whole):
        return whole
    length = min(len(text), int(plugin.body_maxlen))
    with_image = _longest(plugin, render_in, bounds, length)
    if with_image >= min(_MIN_TEXT, length):
        return render_in(replace(bounds, text=with_image))
    bounds = replace(bounds, has_image=False)
    without = _longest(plugin, render_in, bounds, length)
    return render_in(replace(bounds, text=max(without, 1)))


def limit_of(plugin: NotifyBase) -> Limit:
    """The limit in `LIMITS` of a plugin's service; no limit where it is not there."""
    schemas: set[str] = plugin.schemas()  # type: ignore[no-untyped-call]
    return next((LIMITS[schema] for schema in sorted(schemas) if schema in LIMITS), _NO_LIMIT)


def length_in(text: str, unit: LengthUnit) -> int:
    """The length of a text in a unit."""
    if unit is LengthUnit.BYTES:
        return len(text.encode("utf-8", "surrogatepass"))
    if unit is LengthUnit.UTF_16:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text)


def _longest(plugin: NotifyBase, render_in: Render, bounds: Bounds, length: int) -> int:
    """How many characters of the text fit; 0 where none do."""
    low, high = 0, length
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(plugin, render_in(replace(bounds, text=middle))):
            low = middle
        else:
            high = middle - 1
    return low


def _fits(plugin: NotifyBase, message: Message) -> bool:
    """Whether the plugin sends the message as one and uncut, and its service takes it."""
    is_text = message.format is Format.TEXT
    if is_text and len(message.body) > int(plugin.body_maxlen):
        # Converting a text never makes it shorter.
        return False
    cut, uncut = (
        _sent(plugin, message, mode) for mode in (OverflowMode.TRUNCATE, OverflowMode.UPSTREAM)
    )
    if len(cut) != 1 or cut != uncut:
        return False
    ((title, body),) = uncut
    return limit_of(plugin).allows(title, body)


def _sent(plugin: NotifyBase, message: Message, mode: OverflowMode) -> list[tuple[str, str]]:
    """Title and body of what the plugin would send, converted as Apprise converts them."""
    source = NotifyFormat(message.format.value)
    accepted = plugin.resolve_format(source)
    title = message.title
    if title and plugin.title_maxlen <= 0:
        title = _convert(source, accepted, title)
    calls = _build_calls(
        plugin,
        body=_convert(source, accepted, message.body),
        title=title,
        overflow=mode,
        body_format=accepted,
        body_passthrough=False,
    )
    return [(call["title"], call["body"]) for call in calls]
