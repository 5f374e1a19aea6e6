"""How long a message each service takes: what Apprise's plugins know, and what they do not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apprise import NotifyBase

_MOST: Final = 1_000_000


class Unit(StrEnum):
    """What a service counts."""

    CHARACTERS = "characters"
    BYTES = "bytes of UTF-8"
    UTF_16 = "units of UTF-16"


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest title and body that a service takes, and both of them as JSON in ASCII."""

    body: int = _MOST
    title: int = _MOST
    unit: Unit = Unit.CHARACTERS
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
    "ntfy": Limit(4_096, 250, Unit.BYTES, 7_500),
    "opsgenie": Limit(title=130),
    "tgram": Limit(4_096, unit=Unit.UTF_16),
    "line": Limit(5_000, unit=Unit.UTF_16),
    "wxteams": Limit(7_439, unit=Unit.BYTES),
    "wecombot": Limit(2_048, unit=Unit.BYTES),
    "dingtalk": Limit(json=18_000),
    "lark": Limit(json=18_000),
    "feishu": Limit(json=18_000),
    "vapid": Limit(3_500, unit=Unit.BYTES),
    "irc": Limit(380, unit=Unit.BYTES),
    "twilio": Limit(1_600),
}
_NONE: Final = Limit()


def limit_of(plugin: NotifyBase) -> Limit:
    """What a plugin's service takes, beside what the plugin itself knows."""
    schemas: set[str] = plugin.schemas()  # type: ignore[no-untyped-call]
    return next((LIMITS[schema] for schema in sorted(schemas) if schema in LIMITS), _NONE)


def length_in(text: str, unit: Unit) -> int:
    """How long a text is in a unit."""
    if unit is Unit.BYTES:
        return len(text.encode("utf-8", "surrogatepass"))
    if unit is Unit.UTF_16:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text)
