"""Renders several alerts as one message: counts by rule first, then a line for each alert.

`render_several` is the entry. What is said of each alert is said as in a message of its own, see
`channels.render`.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from channels.alert import Alert, Bundle, MessageKind
from channels.render import (
    COLORS,
    SUBJECT_LENGTH,
    UNBOUNDED,
    Bounds,
    Format,
    Message,
    Style,
    captured_at,
    cut,
    cut_text,
    defuse,
    escaped_line,
    headline,
    image_url,
    lateness,
    message_text,
    near_text,
    one_line,
    sentence,
    with_note,
)

#: Of the alerts of a digest that are not of high priority, so many of the newest have a line.
DIGEST_LINES: Final = 20
#: With less room, a text message has nothing of the alerts' own texts.
_ROOM_FOR_TEXT: Final = 20


def render_several(
    bundle: Bundle,
    style: Style,
    now: datetime,
    zone: tzinfo = UTC,
    bounds: Bounds = UNBOUNDED,
    *,
    channel: str = "",
) -> Message:
    """The alerts in the style of a channel, which the command names that lists them all.

    What exceeds the bounds is left out, line by line, and counted. `now`, an aware time, decides
    how late they are; times are shown in `zone`.
    """
    late = lateness(min(bundle.alerts, key=lambda each: each.created_at), now)
    if style is Style.SMS:
        return Message("", _sms(bundle, late, bounds), Format.TEXT)
    title = cut(title_of(bundle), min(SUBJECT_LENGTH, bounds.title))
    lines = lines_of(bundle, zone)
    shown = _fitting(lines, bounds)
    facts = _facts(bundle, late, len(bundle.alerts) - len(shown), channel)
    image = _image(bundle) if bounds.has_image else ""
    if style is Style.EMAIL:
        return Message(title, _mail(bundle, shown, facts, image), Format.HTML)
    counts = [f"{name}: {count}" for name, count in rule_counts(bundle.alerts)]
    body = [*counts, "", *shown, "", *facts]
    if image:
        body.append(f"Plate image: {image}")
    if bounds.lines is not None and len(body) > bounds.lines:
        text = " · ".join(filter(None, body))
    else:
        text = "\n".join(body).rstrip()
    title, text = (defuse(part, has_brackets=bounds.has_brackets) for part in (title, text))
    return Message(title, text, Format.TEXT)


def title_of(bundle: Bundle) -> str:
    """The highest priority, how many alerts there are, and of which rules."""
    return f"[{bundle.priority.upper()}] {_summary(bundle)}"


def lines_of(bundle: Bundle, zone: tzinfo = UTC) -> list[str]:
    """A line for each alert of a group, and for all that are urgent or new of a digest.

    The most urgent come first, then the newest.
    """
    newest_first = bundle.alerts[::-1]
    ordered = sorted(newest_first, key=lambda alert: alert.priority.rank)
    if bundle.kind is MessageKind.DIGEST:
        urgent = sum(alert.priority.rank == 0 for alert in ordered)
        ordered = ordered[: urgent + DIGEST_LINES]
    return [_line(alert, zone) for alert in ordered]


def rule_counts(alerts: Sequence[Alert]) -> list[tuple[str, int]]:
    """How many alerts each rule has, by its name; the most urgent rules and the largest first."""
    counts = Counter(one_line(alert.rule_name) for alert in alerts)
    ranks = dict[str, int]()
    for alert in alerts:
        name = one_line(alert.rule_name)
        ranks[name] = min(alert.priority.rank, ranks.get(name, alert.priority.rank))
    return sorted(counts.items(), key=lambda each: (ranks[each[0]], -each[1], each[0]))


def _summary(bundle: Bundle) -> str:
    rules = rule_counts(bundle.alerts)
    names = [name if count == 1 else f"{name} ×{count}" for name, count in rules]
    return f"{len(bundle.alerts)} alerts: {', '.join(names)}"


def _line(alert: Alert, zone: tzinfo) -> str:
    line, near = headline(alert), near_text(alert)
    said = line if near in line else f"{line}, {near}"
    return f"{said} · {captured_at(alert, zone)}"


def _fitting(lines: list[str], bounds: Bounds) -> list[str]:
    """The lines, from the first one on, that the bounds have room for; one at least."""
    if bounds.text is None:
        return lines
    shown, left = list[str](), bounds.text
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            break
        shown.append(line)
    return shown or [cut(lines[0], max(1, bounds.text))]


def _facts(bundle: Bundle, late: str, hidden: int, channel: str) -> list[str]:
    facts = [sentence(note) for note in dict.fromkeys(each.note for each in bundle.alerts) if note]
    if hidden:
        since = min(alert.created_at for alert in bundle.alerts)
        command = f"alert-engine alerts list --limit {len(bundle.alerts)} --since {since}"
        where = f" --channel {channel}" if channel else ""
        facts.append(f"And {hidden} more, see: {command}{where}")
    if late:
        facts.append(f"Late by {late} at most.")
    if suppressed := sum(alert.suppressed_count for alert in bundle.alerts):
        facts.append(f"Suppressed since the last alerts: {suppressed}")
    return facts


def _image(bundle: Bundle) -> str:
    """The first link to an image of a group; that of a digest would be of any one of its cars."""
    if bundle.kind is not MessageKind.GROUP:
        return ""
    return next(filter(None, (image_url(alert.event) for alert in bundle.alerts)), "")


def _mail(bundle: Bundle, shown: list[str], facts: list[str], image: str) -> str:
    counts = "".join(
        f"<li>{html.escape(name)}: {count}</li>" for name, count in rule_counts(bundle.alerts)
    )
    lines = "".join(f"<div>{escaped_line(line)}</div>" for line in shown)
    more = "".join(f"<div>{html.escape(fact)}</div>" for fact in facts)
    url = html.escape(image)
    link = f'<div>Plate image: <a href="{url}">{url}</a></div>' if image else ""
    return (
        f"<!DOCTYPE html><html><body><ul>{counts}</ul>"
        f'<div style="border-left: 4px solid {COLORS[bundle.priority]}; padding-left: 12px">'
        f"{lines}</div>{link}<hr>{more}</body></html>"
    )


def _sms(bundle: Bundle, late: str, bounds: Bounds) -> str:
    first = min(bundle.alerts, key=lambda alert: alert.priority.rank)
    near = next(filter(None, map(near_text, bundle.alerts)), "")
    before = ", ".join(filter(None, (f"{late} late" if late else "", "possible" if near else "")))
    summary = _summary(bundle).replace("×", "x")
    if note := next((each.note for each in bundle.alerts if each.note), ""):
        summary = with_note(summary, note, bounds)
    text = f"{before}: {summary}" if before else summary
    if len(text) <= bounds.sms - _ROOM_FOR_TEXT:
        text = f"{text}. {one_line(message_text(first))}"
    whole = cut_text(text, bounds.sms)
    return whole if near in whole else cut_text(f"{before}, {near}: {summary}", bounds.sms)
