"""Renders an alert for each kind of channel; its data never becomes markup or a mention.

`render` is the entry. `fit` calls it with bounds until the message is short enough. The length of
text messages, `segments_of`, is counted as networks count it: alphabet, units and segments.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from channels.alert import Alert, Priority
from engine.clock import is_utc, local_text
from engine.schema import NORMALIZED_PLATE, PLATE_IMAGE, value_at
from engine.schema.event import read_time

SUBJECT_LENGTH: Final = 150
_ELLIPSIS: Final = "…"
_LATE_SECONDS: Final = 60.0
#: A row with `*` fits readings of any length.
_PLATE_LENGTH: Final = 24
_POSSIBLE: Final = "possible"
_URL_LENGTH: Final = 2_000
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SPACE: Final = re.compile(r"\s+")
_LEADING_PUNCTUATION: Final = re.compile(r"^[\W_]+")
_UNSAFE_IN_URL: Final = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f<>\"|\\^`{}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff]"
)
COLORS: Final = {Priority.HIGH: "#a32037", Priority.MEDIUM: "#b8860b", Priority.LOW: "#3a6ea5"}
#: Is put into what would be a mention; a zero-width space.
_BREAK: Final = "\u200b"
#: A word that notifies a whole room, but not in a mail address such as x@here.com.
_ROOM_MENTIONS: Final = re.compile(
    r"@(?=(?:everyone|here|channel|all|group|room|online|team|stream|topic)\b)"
    r"(?!(?<=[\w.+%'-]@)[\w-]+\.\w)",
    re.I,
)
#: `@**all**` and `@_**Ann**` of Zulip, and its groups, `@*ops*`.
_STARRED_MENTIONS: Final = re.compile(r"@(?=_?\*)")
#: Mentions in angle brackets: Discord's `<@&1>`, Webex' `<@all>`, Google Chat's `<users/all>`,
#: Lark's `<at user_id="all">`, and `<!channel>`, which Mattermost knows too.
_BRACKET_MENTIONS: Final = re.compile(r"<(?=[@!]|users/|at\b|/?mention\b)", re.I)
#: Bidirectional overrides, embeddings and isolates.
_BIDI_CONTROLS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
#: Invisible characters whose Unicode category is one of visible ones.
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
#: The longest text message, in units of its alphabet: one segment of GSM-7, three of UCS-2.
SMS_LENGTH: Final = 160
_GSM_LETTERS: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
_BEYOND_ONE_UNIT: Final = 0xFFFF
#: So much of a text stays before a note, however long that is.
_MIN_NOTED: Final = 40
# Three letters of GSM-7: one "…" would make the whole text UCS-2.
_SMS_MARK: Final = "..."


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
    """A rendered alert; a text message has no title."""

    title: str
    body: str
    format: Format


@dataclass(frozen=True, slots=True)
class Bounds:
    """The lengths that a rendered alert may have, in characters.

    `text` is for the alert's own message, `lines` for all lines of the body, `sms` for a text
    message; None is no bound. `has_brackets` is whether `<` has a meaning in the service's texts.
    """

    title: int = SUBJECT_LENGTH
    text: int | None = None
    lines: int | None = None
    sms: int = SMS_LENGTH
    has_image: bool = True
    has_brackets: bool = True


UNBOUNDED: Final = Bounds()


class Alphabet(StrEnum):
    """The encoding of a text message."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


_UNITS_ALONE: Final = {Alphabet.GSM_7: 160, Alphabet.UCS_2: 70}
_UNITS_IN_EACH: Final = {Alphabet.GSM_7: 153, Alphabet.UCS_2: 67}


@dataclass(frozen=True, slots=True)
class Segments:
    """The size of a text message; `beyond` has its letters that GSM-7 lacks, in order."""

    alphabet: Alphabet
    units: int
    count: int
    beyond: str = ""


def render(
    alert: Alert, style: Style, now: datetime, zone: tzinfo = UTC, bounds: Bounds = UNBOUNDED
) -> Message:
    """The alert in the style of a channel; what exceeds the bounds is cut, with a "…".

    `now`, an aware time, decides how late the alert is; mails show times in `zone`.
    """
    late = lateness(alert, now)
    if style is Style.SMS:
        return Message("", _sms(alert, late, bounds), Format.TEXT)
    if style is Style.EMAIL:
        subject = headline(alert, min(SUBJECT_LENGTH, bounds.title))
        return Message(subject, _mail(alert, late, zone, bounds), Format.HTML)
    title = cut(f"{_mark(alert)} {one_line(alert.rule_name)}", bounds.title)
    title, body = (
        defuse(part, has_brackets=bounds.has_brackets)
        for part in (title, _chat(alert, late, bounds))
    )
    return Message(title, body, Format.TEXT)


def message_text(alert: Alert) -> str:
    """The message as channels show it: without control characters and blanks at its ends.

    It is the rule's name where nothing of the message is visible.
    """
    text = alert.message.replace("\r\n", "\n").replace("\r", "\n")
    text = without_bidi_controls(_CONTROL.sub("", text)).strip()
    return one_line(alert.rule_name) if is_blank(text) else text


def near_text(alert: Alert) -> str:
    """What was read and what is listed, as `near_words`; empty for an exact match."""
    if not alert.matched_plate:
        return ""
    return near_words(value_at(alert.event, NORMALIZED_PLATE), alert.matched_plate, alert.likeness)


def near_words(read: object, listed: str, likeness: float) -> str:
    """A near match in words: `read A8C123, listed ABC123 (97 %)`; `likeness` is 0 to 1.

    Without a text that was `read` it begins with `listed`. What is only near has 99 % at most.
    """
    percent = min(99, round(100 * likeness))
    words = f"listed {cut(one_line(listed), _PLATE_LENGTH)} ({percent} %)"
    if not isinstance(read, str) or is_blank(read):
        return words
    return f"read {cut(one_line(read), _PLATE_LENGTH)}, {words}"


def late_seconds(alert: Alert, now: datetime) -> float:
    """The seconds from the event to `now`: the alert's delay, and the time since it was made."""
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
    """The event's link to the plate's image; empty where it has none that is safe to show."""
    url = value_at(event, PLATE_IMAGE)
    if not isinstance(url, str) or len(url) > _URL_LENGTH or _UNSAFE_IN_URL.search(url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def defuse(text: str, *, has_brackets: bool = True) -> str:
    """The text with an invisible character in every mention, so that it notifies nobody.

    `has_brackets` is whether the service gives `<` a meaning in a text.
    """
    for pattern in (_ROOM_MENTIONS, _STARRED_MENTIONS):
        text = pattern.sub(f"@{_BREAK}", text)
    return _BRACKET_MENTIONS.sub(f"<{_BREAK}", text) if has_brackets else text


def without_bidi_controls(text: str) -> str:
    """The text without characters that change its direction."""
    return _BIDI_CONTROLS.sub("", text)


def is_blank(text: str) -> bool:
    """Whether nothing of the text is visible: blanks, controls, zero-width characters, marks."""
    return all(
        character in _INVISIBLE
        or unicodedata.category(character) in _INVISIBLE_CATEGORIES
        or unicodedata.combining(character)
        or "\ufe00" <= character <= "\ufe0f"
        for character in text
    )


def segments_of(text: str) -> Segments:
    """The alphabet of a text, its length in units of that, and the number of its segments."""
    beyond = "".join(dict.fromkeys(sign for sign in text if not _is_gsm(sign)))
    alphabet = Alphabet.UCS_2 if beyond else Alphabet.GSM_7
    widths = [_width(sign, alphabet) for sign in text]
    units = sum(widths)
    count = (
        1 if units <= _UNITS_ALONE[alphabet] else _segment_count(widths, _UNITS_IN_EACH[alphabet])
    )
    return Segments(alphabet, units, count, beyond)


def cut_text(text: str, length: int = SMS_LENGTH) -> str:
    """The text, or its beginning and `...`: at most `length` units and characters."""
    if _fits_segments(text, length):
        return text
    while text and not _fits_segments(text + _SMS_MARK, length):
        text = text[: min(len(text) - 1, length - len(_SMS_MARK))]
    return text.rstrip("\u200d\ufe0f").rstrip() + _SMS_MARK


def with_note(text: str, note: str, bounds: Bounds) -> str:
    """The text of a text message, cut so that the note behind it has room too."""
    return f"{cut_text(text, max(_MIN_NOTED, bounds.sms - len(note) - 2))}, {note}"


def lateness(alert: Alert, now: datetime) -> str:
    """How late the alert is at `now`, as `duration`; empty where that is not worth a word."""
    seconds = late_seconds(alert, now)
    return duration(seconds) if seconds >= _LATE_SECONDS else ""


def _bounded_text(alert: Alert, bounds: Bounds) -> str:
    """As `message_text`, cut to the bounds."""
    text = message_text(alert)
    return text if bounds.text is None else cut(text, bounds.text)


def _mark(alert: Alert) -> str:
    """What a title begins with."""
    mark = f"[{alert.priority.upper()}]"
    return f"{mark} {_POSSIBLE}:" if alert.matched_plate else mark


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def one_line(text: str) -> str:
    """The text in one line: each run of line ends, tabs and control characters is one space."""
    return _SPACE.sub(" ", without_bidi_controls(_CONTROL.sub(" ", text))).strip()


def cut(text: str, length: int) -> str:
    """The text, or its beginning and `…`, of at most `length` characters."""
    if len(text) <= length:
        return text
    # An emoji that is joined of several does not end with a joiner.
    return text[: max(0, length - len(_ELLIPSIS))].rstrip("\u200d\ufe0f").rstrip() + _ELLIPSIS


def _sms(alert: Alert, late: str, bounds: Bounds) -> str:
    text = one_line(message_text(alert))
    if alert.note:
        text = with_note(text, alert.note, bounds)
    before = f"{late} late" if late else ""
    near = near_text(alert)
    if near:
        before = f"{before}, {_POSSIBLE}" if before else _POSSIBLE
    whole = cut_text(f"{before}: {text}" if before else text, bounds.sms)
    return whole if near in whole else cut_text(f"{before}, {near}: {text}", bounds.sms)


def headline(alert: Alert, length: int = SUBJECT_LENGTH) -> str:
    """Priority, rule and first line of the message, without repeating what the line begins with."""
    name, priority = one_line(alert.rule_name), f"[{alert.priority}]"
    first = one_line(message_text(alert).split("\n", 1)[0])
    if first.casefold().startswith(priority):
        first = first[len(priority) :].lstrip() or name
    mark = _mark(alert)
    subject = f"{mark} {first}" if _begins_with(first, name) else f"{mark} {name}: {first}"
    return cut(subject, length)


def _begins_with(text: str, name: str) -> bool:
    """Whether a text begins with the name, in any case and after any punctuation."""
    text, name = (_LEADING_PUNCTUATION.sub("", each.casefold()) for each in (text, name))
    return text.startswith(name) and not text[len(name) : len(name) + 1].isalnum()


def _chat(alert: Alert, late: str, bounds: Bounds) -> str:
    text = _bounded_text(alert, bounds)
    lines = text.split("\n")
    near = near_text(alert)
    if near not in message_text(alert):
        lines.append(sentence(near))
    if alert.note:
        lines.append(sentence(alert.note))
    if late:
        lines.append(f"Late by {late}.")
    if alert.suppressed_count > 0:
        lines.append(f"Suppressed since the last alert: {alert.suppressed_count}")
    image = image_url(alert.event)
    if image and bounds.has_image:
        lines.append(f"Plate image: {image}")
    if bounds.lines is not None and len(lines) > bounds.lines:
        return " · ".join(filter(None, map(one_line, lines)))
    return "\n".join(lines)


def _mail(alert: Alert, late: str, zone: tzinfo, bounds: Bounds) -> str:
    lines = (escaped_line(line) for line in _bounded_text(alert, bounds).split("\n"))
    facts = "".join(f"<li>{html.escape(fact)}</li>" for fact in _facts(alert, late, zone))
    image = html.escape(image_url(alert.event)) if bounds.has_image else ""
    link = f'<div>Plate image: <a href="{image}">{image}</a></div>' if image else ""
    body = "".join(f"<div>{line or '<br>'}</div>" for line in lines)
    return (
        "<!DOCTYPE html><html><body>"
        f'<div style="border-left: 4px solid {COLORS[alert.priority]}; padding-left: 12px">'
        f"{body}</div>{link}<hr><ul>{facts}</ul></body></html>"
    )


def escaped_line(line: str) -> str:
    """A line as HTML that keeps its indentation."""
    text = html.escape(line.rstrip())
    indent = len(text) - len(text.lstrip(" "))
    return "&nbsp;" * indent + text[indent:]


def _facts(alert: Alert, late: str, zone: tzinfo) -> list[str]:
    facts = [
        f"Rule: {one_line(alert.rule_name)} ({alert.rule_id})",
        f"Priority: {alert.priority}",
        f"Captured at: {captured_at(alert, zone)}",
        f"Alert: {alert.alert_id}",
    ]
    if late:
        facts.insert(0, f"Late by {late}")
    if near := near_text(alert):
        facts.insert(0, sentence(near))
    if alert.note:
        facts.insert(0, sentence(alert.note))
    if alert.suppressed_count > 0:
        facts.append(f"Suppressed since the last alert: {alert.suppressed_count}")
    return facts


def captured_at(alert: Alert, zone: tzinfo) -> str:
    """The event's time in the zone; as the event has it for UTC, or where it can't be read."""
    if is_utc(zone):
        return one_line(alert.captured_at)
    moment = read_time(alert.captured_at, zone, _instant(alert))
    return one_line(alert.captured_at) if moment is None else local_text(moment, zone)


def _instant(alert: Alert) -> datetime | None:
    """The event's instant, to some milliseconds; None where the alert's times can't be read."""
    try:
        made = datetime.fromisoformat(alert.created_at)
        return made - timedelta(seconds=alert.late_seconds) if made.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _fits_segments(text: str, length: int) -> bool:
    return len(text) <= length and segments_of(text).units <= length


def _segment_count(widths: Iterable[int], units_in_each: int) -> int:
    """The number of segments; a letter of two units is never split over two of them."""
    count, used = 1, 0
    for width in widths:
        if used + width > units_in_each:
            count, used = count + 1, 0
        used += width
    return count


def _is_gsm(sign: str) -> bool:
    return sign in _GSM_LETTERS or sign in _GSM_EXTENSION


def _width(sign: str, alphabet: Alphabet) -> int:
    if alphabet is Alphabet.GSM_7:
        return 2 if sign in _GSM_EXTENSION else 1
    return 2 if ord(sign) > _BEYOND_ONE_UNIT else 1
