"""Alerts as each kind of channel shows them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from channels.alert import Alert, Priority
from channels.render import Format, Style, duration, image_url, late_seconds, near_text, render
from tests.unit.channels.samples import NOW, TEXT, alert

HOSTILE = "A\r\nBcc: all@example.org\x00\x1b[31m <b>x</b> <!channel> & \u2028 @everyone"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (7_500, "2 h 5 min"),
        (86_400, "1 d"),
        (100_000, "1 d 3 h"),
        (86_460, "1 d"),
    ],
)
def test_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lateness_counts_the_waiting_since_the_alert_was_made() -> None:
    assert late_seconds(alert(late_seconds=10.0), NOW + timedelta(minutes=5)) == 311.0


@pytest.mark.parametrize(
    "created_at", ["", "yesterday", "2025-12-25T16:00:01", "2030-01-01T00:00Z"]
)
def test_unusable_creation_time_adds_nothing(created_at: str) -> None:
    assert late_seconds(alert(created_at=created_at, late_seconds=10.0), NOW) == 10.0


def test_clock_ahead_is_not_late() -> None:
    assert late_seconds(alert(late_seconds=-30.0), NOW) == 1.0


@pytest.mark.parametrize("style", Style)
def test_late_alert_says_how_late(style: Style) -> None:
    late = render(alert(), style, NOW + timedelta(hours=2, minutes=5))
    assert "2 h 5 min" in late.body
    assert "ate" not in render(alert(), style, NOW).body.replace("Plate", "")


def test_sms_has_no_title_and_one_line() -> None:
    message = render(alert(message="🚨 Hit\n\n ABC123 \r\n at  cam"), Style.SMS, NOW)
    assert (message.title, message.body) == ("", "🚨 Hit ABC123 at cam")
    assert message.format is Format.TEXT


@pytest.mark.parametrize("length", [159, 160, 161, 5_000])
def test_sms_is_at_most_160_characters(length: int) -> None:
    body = render(alert(message="x" * length), Style.SMS, NOW).body
    assert len(body) == min(length, 160)
    assert body.endswith("...") is (length > 160)


def test_late_sms_is_no_longer_than_another() -> None:
    body = render(alert(message="x" * 160), Style.SMS, NOW + timedelta(days=3)).body
    assert len(body) == 160
    assert body.startswith("3 d late: xxx")


def test_chat_has_priority_and_rule_as_title_and_links_the_image() -> None:
    message = render(alert(suppressed_count=3), Style.CHAT, NOW)
    assert message.title == "[HIGH] Watchlist Plate"
    assert message.body.split("\n") == [
        TEXT,
        "Suppressed since the last alert: 3",
        "Plate image: https://img.example.org/p.jpg?a=1&b=2",
    ]
    assert message.format is Format.TEXT


def test_chat_keeps_blank_lines_and_emoji() -> None:
    body = render(alert(message="🚨 one\n\n  two\n", event={}), Style.CHAT, NOW).body
    assert body == "🚨 one\n\n  two"


def test_chat_wakes_nobody() -> None:
    message = render(alert(message="@everyone @Here @here's me@hereford.org"), Style.CHAT, NOW)
    assert message.body.startswith("@\u200beveryone @\u200bHere @\u200bhere's me@hereford.org")


def test_mail_has_subject_and_html() -> None:
    message = render(alert(suppressed_count=3), Style.EMAIL, NOW)
    assert message.title == f"[HIGH] {TEXT}"
    assert message.format is Format.HTML
    for text in (
        f"<div>{TEXT}</div>",
        "<li>Rule: Watchlist Plate (watchlist)</li>",
        "<li>Priority: high</li>",
        "<li>Captured at: 2025-12-25T16:00:00Z</li>",
        "<li>Suppressed since the last alert: 3</li>",
        '<a href="https://img.example.org/p.jpg?a=1&amp;b=2">',
    ):
        assert text in message.body


def test_mail_keeps_lines_blank_lines_and_indents() -> None:
    body = render(alert(message="one\n\n  two"), Style.EMAIL, NOW).body
    assert "<div>one</div><div><br></div><div>&nbsp;&nbsp;two</div>" in body


def test_mail_escapes_every_field() -> None:
    evil = '<script>"x"</script>'
    body = render(
        alert(message=evil, rule_name=evil, captured_at=evil, rule_id=evil, alert_id=evil),
        Style.EMAIL,
        NOW,
    ).body
    assert "<script" not in body
    assert body.count("&lt;script&gt;") == 5


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("field", ["message", "rule_name", "captured_at"])
def test_hostile_text_stays_one_title_line_without_control_characters(
    style: Style, field: str
) -> None:
    message = render(alert(**{field: HOSTILE}), style, NOW)
    assert message.title.replace("\u200b", "").isprintable()
    assert message.body.replace("\n", "").replace("\u200b", "").isprintable()


def test_subject_is_short() -> None:
    subject = render(alert(message="y" * 1_000, rule_name="n" * 300), Style.EMAIL, NOW).title
    assert len(subject) == 150
    assert subject.startswith("[HIGH] nnn")


@pytest.mark.parametrize("style", Style)
def test_blank_message_becomes_the_rules_name(style: Style) -> None:
    assert "Watchlist Plate" in render(alert(message=" \n\t"), style, NOW).body


@pytest.mark.parametrize("priority", Priority)
def test_priority_shows_in_the_title(priority: Priority) -> None:
    title = render(alert(priority=priority), Style.CHAT, NOW).title
    assert title.startswith(f"[{priority.value.upper()}]")


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://",
        "https://[broken",
        "https://a.b/<x>",
        "https://a.b/x y",
        "https://a.b/x|y",
        "https://a.b/\x00",
        "https://a.b/" + "x" * 3_000,
    ],
)
def test_unsafe_image_link_is_left_out(url: object) -> None:
    event = {"images": {"plate_url": url}}
    assert image_url(event) == ""
    assert "image" not in render(alert(event=event), Style.CHAT, NOW).body


def test_event_without_images_has_no_link() -> None:
    assert image_url({}) == ""
    assert image_url({"images": None}) == ""


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        ("Watchlist Plate: ABC123 at gate", "[HIGH] Watchlist Plate: ABC123 at gate"),
        ("WATCHLIST PLATE ABC123", "[HIGH] WATCHLIST PLATE ABC123"),
        ("🚨 Watchlist Plate ABC123", "[HIGH] 🚨 Watchlist Plate ABC123"),
        ("[HIGH] Watchlist Plate: ABC123", "[HIGH] Watchlist Plate: ABC123"),
        ("[high] ABC123", "[HIGH] Watchlist Plate: ABC123"),
        ("[high]", "[HIGH] Watchlist Plate"),
        ("Watchlist Plate", "[HIGH] Watchlist Plate"),
        ("Watchlist Plates: 2", "[HIGH] Watchlist Plate: Watchlist Plates: 2"),
        ("ABC123 at gate", "[HIGH] Watchlist Plate: ABC123 at gate"),
        ("ABC123: Watchlist Plate", "[HIGH] Watchlist Plate: ABC123: Watchlist Plate"),
    ],
)
def test_the_subject_does_not_repeat_itself(message: str, subject: str) -> None:
    assert render(alert(message=message), Style.EMAIL, NOW).title == subject


def test_the_subject_of_a_rule_without_letters_keeps_its_message() -> None:
    title = render(alert(rule_name="!!!", message="ABC123"), Style.EMAIL, NOW).title
    assert title == "[HIGH] !!!: ABC123"


@pytest.mark.parametrize(
    ("captured_at", "zone", "shown"),
    [
        ("2025-07-01T20:00:05Z", "Europe/Berlin", "2025-07-01 22:00:05 CEST"),
        ("2025-07-01T16:00:05.25-04:00", "Europe/Berlin", "2025-07-01 22:00:05 CEST"),
        ("2025-07-01T22:00:05", "Europe/Berlin", "2025-07-01 22:00:05 CEST"),
        ("2025-10-26T00:30:00Z", "Europe/Berlin", "2025-10-26 02:30:00 CEST"),
        ("2025-10-26T01:30:00Z", "Europe/Berlin", "2025-10-26 02:30:00 CET"),
        ("2025-07-01T20:00:05Z", "America/Sao_Paulo", "2025-07-01 17:00:05 UTC-03:00"),
        ("2025-07-01T20:00:05+02:00", "UTC", "2025-07-01T20:00:05+02:00"),
        ("2025-07-01T20:00:05", "Etc/UTC", "2025-07-01T20:00:05"),
        ("yesterday", "Europe/Berlin", "yesterday"),
        ("0001-01-01T00:00:00Z", "America/New_York", "0001-01-01 00:00:00 UTC"),
    ],
)
def test_a_mail_shows_when_it_was_on_the_readers_clocks(
    captured_at: str, zone: str, shown: str
) -> None:
    body = render(alert(captured_at=captured_at), Style.EMAIL, NOW, ZoneInfo(zone)).body
    assert f"<li>Captured at: {shown}</li>" in body


@pytest.mark.parametrize(
    ("created_at", "shown"),
    [
        ("2025-10-26T00:30:02.000Z", "2025-10-26 02:30:00 CEST"),
        ("2025-10-26T01:30:02.000Z", "2025-10-26 02:30:00 CET"),
    ],
)
def test_of_the_hour_that_comes_twice_a_mail_shows_the_one_that_it_was(
    created_at: str, shown: str
) -> None:
    told = alert(captured_at="2025-10-26T02:30:00", created_at=created_at, late_seconds=2.0)
    assert shown in render(told, Style.EMAIL, NOW, ZoneInfo("Europe/Berlin")).body


NEAR_EVENT = {"plate": {"normalized_text": "A8C123"}}
NEAR_TEXT = "read A8C123, listed ABC123 (97 %)"


def near(**changes: Any) -> Alert:
    """An alert of a reading that is only like the plate on the list."""
    fields = {"matched_plate": "ABC123", "likeness": 1 - 20 / 600, "event": NEAR_EVENT}
    return alert(**fields | changes)


def test_a_near_match_says_what_was_read_and_what_is_listed() -> None:
    assert near_text(near()) == NEAR_TEXT
    assert near_text(near(event={})) == "listed ABC123 (97 %)"
    assert near_text(near(event={"plate": {"normalized_text": " "}})) == "listed ABC123 (97 %)"
    assert near_text(alert()) == ""


def test_a_near_match_is_never_shown_as_a_whole_hundred() -> None:
    assert near_text(near(likeness=0.9999)).endswith("(99 %)")


def test_the_plates_of_a_near_match_are_one_short_line() -> None:
    event = {"plate": {"normalized_text": "A\n\u202e" + "8" * 500}}
    text = near_text(near(event=event, matched_plate="A\r8" + "?" * 500))
    assert len(text) < 80
    assert text.startswith("read A 888")
    assert text.isprintable()


def test_titles_and_subjects_of_a_near_match_say_possible() -> None:
    assert render(near(), Style.CHAT, NOW).title == "[HIGH] possible: Watchlist Plate"
    subject = render(near(), Style.EMAIL, NOW).title
    assert subject == f"[HIGH] possible: {TEXT}"
    marked = render(near(message="[high] a car"), Style.EMAIL, NOW).title
    assert marked == "[HIGH] possible: Watchlist Plate: a car"


def test_a_near_match_is_told_once_where_the_message_tells_it() -> None:
    body = render(near(), Style.CHAT, NOW).body
    assert body.split("\n") == [TEXT, "Read A8C123, listed ABC123 (97 %)"]
    told = f"Stolen: {NEAR_TEXT} at gate"
    assert render(near(message=told), Style.CHAT, NOW).body == told
    assert render(near(message=told), Style.SMS, NOW).body == f"possible: {told}"


def test_a_mail_of_a_near_match_has_it_among_the_facts() -> None:
    assert "<ul><li>Read A8C123, listed ABC123 (97 %)</li>" in render(near(), Style.EMAIL, NOW).body


def test_a_text_message_of_a_near_match_has_it_in_front() -> None:
    assert render(near(), Style.SMS, NOW).body == f"possible, {NEAR_TEXT}: {TEXT}"
    late = render(near(), Style.SMS, NOW + timedelta(minutes=5)).body
    assert late == f"5 min late, possible, {NEAR_TEXT}: {TEXT}"
    # The message tells it, but behind the end of the text message.
    long = render(near(message=f"{'x' * 150} {NEAR_TEXT}"), Style.SMS, NOW).body
    assert long.startswith(f"possible, {NEAR_TEXT}: xxx")
    assert len(long) == 160


def test_an_exact_match_says_nothing_of_it() -> None:
    for style in Style:
        message = render(alert(), style, NOW)
        assert "possible" not in message.title + message.body
        assert "listed" not in message.body
