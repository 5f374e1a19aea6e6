"""A message made as long as its service takes, so that nobody else cuts it.

What others cut ends in the middle of a word without a mark, and loses the facts at its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from apprise import NotifyBase
from apprise.common import NotifyFormat, OverflowMode
from apprise.conversion import convert_between

from channels.limits import limit_of
from channels.render import Format, Message, Room

Make = Callable[[Room], Message]

_CUTTING: Final = OverflowMode.TRUNCATE
_convert: Final[Callable[..., str]] = convert_between
_calls_of: Final[Callable[..., Any]] = NotifyBase._build_send_calls
#: With less of the alert's own text than this, the link to the image is left out.
_FEWEST: Final = 40
_MIN_SMS: Final = 20


def room_of(plugin: NotifyBase, *, has_brackets: bool = True) -> Room:
    """What a plugin's service has room for, but for the length of the text."""
    room = Room(has_brackets=has_brackets)
    limit, title, lines = limit_of(plugin), int(plugin.title_maxlen), plugin.body_max_line_count
    return replace(
        room,
        title=min(room.title, limit.title, title if title > 0 else room.title),
        lines=int(lines) or None,
        sms=max(_MIN_SMS, min(room.sms, limit.body, int(plugin.body_maxlen) or room.sms)),
    )


def fit(plugin: NotifyBase, make: Make, room: Room, text: str) -> Message:
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


def _longest(plugin: NotifyBase, make: Make, room: Room, length: int) -> int:
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
