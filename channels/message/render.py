"""An alert as each kind of channel shows it; data in it never becomes markup or a mention."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from channels.alert import Alert, Priority
from channels.message.sms_text import SMS_LENGTH, cut_text
from engine.clock import is_utc, local_text
from engine.schema import PLATE_IMAGE, value_at
from engine.schema.event import read_time

SUBJECT_LENGTH: Final = 150
_MARK: Final = "…"
_LATE_SECONDS: Final = 60.0
_URL_LENGTH: Final = 2_000

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SPACE: Final = re.compile(r"\s+")
_SIGNS: Final = re.compile(r"^[\W_]+")
_UNSAFE_IN_URL: Final = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f<>\"|\\^`{}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff]"
)
_COLORS: Final = {Priority.HIGH: "#a32037", Priority.MEDIUM: "#b8860b", Priority.LOW: "#3a6ea5"}


class Style(StrEnum):
    """The kinds of channel that are rendered differently."""

    EMAIL = "email"
    CHAT = "chat"
    SMS = "sms"


class Format(StrEnum):
    """The markup of a message's body, named as Apprise names it."""

    TEXT = "text"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel is given; a text message has no title."""

    title: str
    body: str
    format: Format


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of an alert a service has room for, in characters; the facts about it stay.

    `text` bounds the alert's own message, `lines` all lines of the body; None is no bound. `sms`
    bounds a text message. `has_brackets` is whether the service gives `<` a meaning in a text.
    """

    title: int = SUBJECT_LENGTH
    text: int | None = None
    lines: int | None = None
    sms: int = SMS_LENGTH
    has_image: bool = True
    has_brackets: bool = True


UNBOUNDED: Final = Bounds()


def render(
    alert: Alert, style: Style, now: datetime, zone: tzinfo = UTC, room: Bounds = UNBOUNDED
) -> Message:
    """The alert in the style of a channel, with "…" for what the room is too small for.

    `now`, an aware time, decides how late it is; `zone` is that of the people who read it.
    """
    late = _late(alert, now)
    if style is Style.SMS:
        return Message("", _sms(alert, late, room), Format.TEXT)
    if style is Style.EMAIL:
        return Message(_subject(alert, room), _mail(alert, late, zone, room), Format.HTML)
    title = _cut(f"[{alert.priority.upper()}] {_line(alert.rule_name)}", room.title)
    title, body = (
        defuse(part, has_brackets=room.has_brackets) for part in (title, _chat(alert, late, room))
    )
    return Message(title, body, Format.TEXT)


def late_seconds(alert: Alert, now: datetime) -> float:
    """How long after the event's instant `now` is: the alert's own delay and its waiting since."""
    try:
        created = datetime.fromisoformat(alert.created_at)
        waited = (now - created).total_seconds()
    except (ValueError, TypeError):
        waited = 0.0
    return max(0.0, alert.late_seconds) + max(0.0, waited)


def duration(seconds: float) -> str:
    """A duration in two units at most: `45 s`, `3 min`, `2 h 5 min`, `3 d 4 h`."""
    minutes = int(seconds // 60)
    if minutes == 0:
        return f"{int(seconds)} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    while parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number)


def image_url(event: Mapping[str, Any]) -> str:
    """The event's link to the plate's picture; empty where there is none that is safe to show."""
    url = value_at(event, PLATE_IMAGE)
    if not isinstance(url, str) or len(url) > _URL_LENGTH or _UNSAFE_IN_URL.search(url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def _late(alert: Alert, now: datetime) -> str:
    seconds = late_seconds(alert, now)
    return duration(seconds) if seconds >= _LATE_SECONDS else ""


def _text(alert: Alert) -> str:
    """The message without control characters; the rule's name where nothing of it is seen."""
    text = alert.message.replace("\r\n", "\n").replace("\r", "\n")
    text = without_ordering(_CONTROL.sub("", text)).strip()
    return _line(alert.rule_name) if is_blank(text) else text


def _text_for(alert: Alert, room: Bounds) -> str:
    """As `_text`, as long as there is room for."""
    text = _text(alert)
    return text if room.text is None else _cut(text, room.text)


def _line(text: str) -> str:
    """One line: line ends and tabs become spaces, other control characters vanish."""
    return _SPACE.sub(" ", without_ordering(_CONTROL.sub(" ", text))).strip()


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    # An emoji that is joined of several is not left with its joint.
    return text[: max(0, length - len(_MARK))].rstrip("\u200d\ufe0f").rstrip() + _MARK


def _sms(alert: Alert, late: str, room: Bounds) -> str:
    text = _line(_text(alert))
    return cut_text(f"{late} late: {text}" if late else text, room.sms)


def _subject(alert: Alert, room: Bounds) -> str:
    """Priority, rule and first line of the message, nothing of it twice."""
    mark, name = f"[{alert.priority.upper()}]", _line(alert.rule_name)
    first = _line(_text(alert).split("\n", 1)[0])
    if first.casefold().startswith(mark.casefold()):
        first = first[len(mark) :].lstrip() or name
    subject = f"{mark} {first}" if _begins_with(first, name) else f"{mark} {name}: {first}"
    return _cut(subject, min(SUBJECT_LENGTH, room.title))


def _begins_with(text: str, name: str) -> bool:
    """Whether the first words of a text are the name, in any case and behind any signs."""
    text, name = (_SIGNS.sub("", each.casefold()) for each in (text, name))
    return text.startswith(name) and not text[len(name) : len(name) + 1].isalnum()


def _chat(alert: Alert, late: str, room: Bounds) -> str:
    text = _text_for(alert, room)
    lines = text.split("\n")
    if late:
        lines.append(f"Late by {late}.")
    if alert.suppressed_count > 0:
        lines.append(f"Suppressed since the last alert: {alert.suppressed_count}")
    image = image_url(alert.event)
    if image and room.has_image:
        lines.append(f"Plate image: {image}")
    if room.lines is not None and len(lines) > room.lines:
        return " · ".join(filter(None, map(_line, lines)))
    return "\n".join(lines)


def _mail(alert: Alert, late: str, zone: tzinfo, room: Bounds) -> str:
    lines = (_escaped_line(line) for line in _text_for(alert, room).split("\n"))
    facts = "".join(f"<li>{html.escape(fact)}</li>" for fact in _facts(alert, late, zone))
    image = html.escape(image_url(alert.event)) if room.has_image else ""
    link = f'<div>Plate image: <a href="{image}">{image}</a></div>' if image else ""
    body = "".join(f"<div>{line or '<br>'}</div>" for line in lines)
    return (
        "<!DOCTYPE html><html><body>"
        f'<div style="border-left: 4px solid {_COLORS[alert.priority]}; padding-left: 12px">'
        f"{body}</div>{link}<hr><ul>{facts}</ul></body></html>"
    )


def _escaped_line(line: str) -> str:
    text = html.escape(line.rstrip())
    indent = len(text) - len(text.lstrip(" "))
    return "&nbsp;" * indent + text[indent:]


def _facts(alert: Alert, late: str, zone: tzinfo) -> list[str]:
    facts = [
        f"Rule: {_line(alert.rule_name)} ({alert.rule_id})",
        f"Priority: {alert.priority}",
        f"Captured at: {_captured_at(alert, zone)}",
        f"Alert: {alert.alert_id}",
    ]
    if late:
        facts.insert(0, f"Late by {late}")
    if alert.suppressed_count > 0:
        facts.append(f"Suppressed since the last alert: {alert.suppressed_count}")
    return facts


def _captured_at(alert: Alert, zone: tzinfo) -> str:
    """When the event was, on the readers' clocks; the event's own text in UTC or if unreadable."""
    if is_utc(zone):
        return _line(alert.captured_at)
    moment = read_time(alert.captured_at, zone, _instant(alert))
    return _line(alert.captured_at) if moment is None else local_text(moment, zone)


def _instant(alert: Alert) -> datetime | None:
    """The event's instant, to some milliseconds; None for an alert that does not say it."""
    try:
        made = datetime.fromisoformat(alert.created_at)
        return made - timedelta(seconds=alert.late_seconds) if made.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


#: Parts what would be a mention; it is not seen.
_PARTING: Final = "\u200b"
#: A room's word behind an `@`, unless the two are inside a mail address such as x@here.com.
_WAKING_WORDS: Final = re.compile(
    r"@(?=(?:everyone|here|channel|all|group|room|online|team|stream|topic)\b)"
    r"(?!(?<=[\w.+%'-]@)[\w-]+\.\w)",
    re.I,
)
#: `@**all**` and `@_**Ann**` of Zulip, and its groups, `@*ops*`.
_STARRED: Final = re.compile(r"@(?=_?\*)")
#: Mentions in angle brackets: Discord's `<@&1>`, Webex' `<@all>`, Google Chat's `<users/all>`,
#: Lark's `<at user_id="all">`, and `<!channel>`, which Mattermost knows too.
_BRACKETS: Final = re.compile(r"<(?=[@!]|users/|at\b|/?mention\b)", re.I)
#: Characters that order the letters after them from right to left, or isolate them.
_ORDERING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
#: Letters and signs without a shape, which their category does not tell.
_SHAPELESS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})


def defuse(text: str, *, has_brackets: bool = True) -> str:
    """The text with every mention parted by a character that is not seen.

    `has_brackets` is whether the service gives `<` a meaning in such a text.
    """
    for pattern in (_WAKING_WORDS, _STARRED):
        text = pattern.sub(f"@{_PARTING}", text)
    return _BRACKETS.sub(f"<{_PARTING}", text) if has_brackets else text


def without_ordering(text: str) -> str:
    """The text in the order of its letters: without bidirectional overrides and isolates."""
    return _ORDERING.sub("", text)


def is_blank(text: str) -> bool:
    """Whether nothing of the text is seen: blanks, controls, zero-width characters, marks alone."""
    return all(
        sign in _SHAPELESS
        or unicodedata.category(sign) in _UNSEEN
        or unicodedata.combining(sign)
        or "\ufe00" <= sign <= "\ufe0f"
        for sign in text
    )
