"""Several alerts as one message: counts first, and each alert with all that is said of it alone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from channels.alert import Alert, Bundle, MessageKind, Priority
from channels.definitions.channel_entry import entry_targets
from channels.render import SMS_LENGTH, Bounds, Style, render
from channels.several import DIGEST_LINES, render_several, title_of
from channels.targets.apprise_target import AppriseTarget
from channels.targets.webhook import payload, payload_of_several
from engine.store.deliveries import MOST_URGENT
from tests.unit.channels.samples import NOW, alert

STYLES = (Style.EMAIL, Style.CHAT, Style.SMS)


def group(*alerts: Alert) -> Bundle:
    return Bundle(MessageKind.GROUP, alerts)


def of_rules(*names: str, **changes: object) -> Bundle:
    return group(*(alert(rule_name=each, message=f"seen by {each}", **changes) for each in names))


@pytest.mark.parametrize("style", STYLES)
def test_a_group_names_every_rule(style: Style) -> None:
    message = render_several(of_rules("Stolen", "Night", "Unpaid"), style, NOW)
    whole = message.title + message.body
    assert "3 alerts: " in whole
    assert all(name in whole for name in ("Stolen", "Night", "Unpaid"))


def test_the_priority_is_the_highest() -> None:
    low, high = alert(priority=Priority.LOW), alert(priority=Priority.HIGH)
    assert group(low, high).priority is Priority.HIGH
    assert title_of(group(low, high)).startswith("[HIGH] 2 alerts")


def test_a_digest_has_a_line_for_each_urgent_alert_and_the_newest_others() -> None:
    urgent = [alert(message=f"urgent {number}.") for number in range(30)]
    others = [
        alert(message=f"other {number}.", priority=Priority.LOW, rule_name="Any")
        for number in range(100)
    ]
    bundle = Bundle(MessageKind.DIGEST, (*urgent, *others))
    body = render_several(bundle, Style.CHAT, NOW, channel="mail").body
    assert all(f"urgent {number}." in body for number in range(30))
    shown = [number for number in range(100) if f"other {number}." in body]
    assert shown == [*range(100 - DIGEST_LINES, 100)]
    assert "Watchlist Plate: 30" in body
    assert "Any: 100" in body
    hidden = 100 - DIGEST_LINES
    assert (
        f"And {hidden} more, see: alert-engine alerts list --limit 130 "
        "--since 2025-12-25T16:00:01Z --channel mail"
    ) in body


def test_a_mail_has_room_for_every_urgent_alert_of_a_digest() -> None:
    (target,) = entry_targets("ops", "mailto://localhost/?from=a@b.org&to=c@d.org", {}).checked()
    assert isinstance(target, AppriseTarget)
    urgent = [alert(message=f"urgent {number}. " + "x" * 500) for number in range(MOST_URGENT + 1)]
    others = [alert(priority=Priority.LOW, message="y" * 500) for _ in range(900)]
    body = target.message_of_several(Bundle(MessageKind.DIGEST, (*urgent, *others)), NOW).body
    assert all(f"urgent {number}. " in body for number in range(MOST_URGENT + 1))


def test_lines_that_do_not_fit_are_counted() -> None:
    bundle = of_rules("Stolen", "Night", "Unpaid")
    body = render_several(bundle, Style.CHAT, NOW, bounds=Bounds(text=100)).body
    assert "seen by Unpaid" in body
    assert "seen by Stolen" not in body
    assert "And 2 more" in body


@pytest.mark.parametrize("style", STYLES)
def test_a_near_match_keeps_its_words(style: Style) -> None:
    near = alert(matched_plate="A8C123", likeness=0.967, message="x" * 300)
    message = render_several(group(alert(), near), style, NOW)
    whole = message.title + message.body
    assert "possible" in whole
    assert "read ABC123, listed A8C123 (97 %)" in whole


@pytest.mark.parametrize("style", STYLES)
def test_a_late_message_says_so(style: Style) -> None:
    message = render_several(of_rules("A", "B"), style, NOW + timedelta(minutes=5))
    assert "5 min" in message.body


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("count", [1, 2])
def test_a_fallback_says_for_whom(style: Style, count: int) -> None:
    note = "for gate@example.com of channel guards, which is held: connection"
    noted = alert(note=note, message="x" * 300, rule_name="A long name of a rule " * 5)
    if count == 1:
        message = render(noted, style, NOW)
    else:
        message = render_several(group(noted, noted), style, NOW)
    assert note in message.body.replace("For gate", "for gate")
    assert style is not Style.SMS or len(message.body) <= SMS_LENGTH


def test_a_text_message_is_one_segment() -> None:
    names = [f"A long name of a rule {number}" for number in range(20)]
    message = render_several(of_rules(*names), Style.SMS, NOW)
    assert message.title == ""
    assert message.body.startswith("20 alerts: ")
    assert len(message.body) <= SMS_LENGTH


def test_data_is_never_markup() -> None:
    nasty = alert(rule_name="<b>@everyone</b>\r\nBcc: x", message="<script>\r\n<!channel>")
    mail = render_several(group(nasty, nasty), Style.EMAIL, NOW)
    assert "<b>" not in mail.body
    assert "<script>" not in mail.body
    assert "\n" not in mail.title
    chat = render_several(group(nasty, nasty), Style.CHAT, NOW)
    assert "@everyone" not in chat.title + chat.body
    assert "<!channel" not in chat.body


def test_a_webhook_gets_each_alert_as_it_is_alone() -> None:
    bundle = group(alert(), alert(alert_id="a2", rule_id="night"), alert(alert_id="a3"))
    body = json.loads(payload_of_several(bundle))
    assert body["alerts"] == [json.loads(payload(each)) for each in bundle.alerts]
    assert (body["kind"], body["counts"]) == ("group", {"watchlist": 2, "night": 1})
