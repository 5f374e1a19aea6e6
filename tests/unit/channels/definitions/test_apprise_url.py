"""Apprise URLs as one plugin for each recipient."""

from __future__ import annotations

import pytest

from channels.definitions.apprise_url import service_recipients
from channels.render import Style
from channels.targets.identity import target_label
from engine.errors import ChannelError

TWILIO = "twilio://AC0123456789abcdef:feedface@+15550001111"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


def found(url: str) -> list[tuple[str, Style]]:
    return [(target_label("ops", *each.parts), each.style) for each in service_recipients(url, ())]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mailto://joe:pw@example.org", [("ops:joe@example.org", Style.EMAIL)]),
        (
            "mailtos://joe:pw@example.org?to=a@example.org,Bob <b@example.org>,a@example.org",
            [("ops:a@example.org", Style.EMAIL), ("ops:b@example.org", Style.EMAIL)],
        ),
        (f"{TWILIO}/+15551234567", [("ops:+15551234567", Style.SMS)]),
        (
            f"{TWILIO}/15551234567/+15551234568",
            [("ops:+15551234567", Style.SMS), ("ops:+15551234568", Style.SMS)],
        ),
        (f"{TWILIO}/15551234567?method=call", [("ops:+15551234567", Style.CHAT)]),
        (SLACK, [("ops:slack", Style.CHAT)]),
        (f"{SLACK}/#a/#b", [("ops:slack:#a", Style.CHAT), ("ops:slack:#b", Style.CHAT)]),
        (
            "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#a",
            [("ops:slack:#a", Style.CHAT)],
        ),
        ("json://joe:pw@h.example.org:8080/x", [("ops:json:h.example.org:8080", Style.CHAT)]),
        ("ntfys://h.example.org/topic", [("ops:ntfys:h.example.org", Style.CHAT)]),
        ("ntfy://topic", [("ops:ntfy", Style.CHAT)]),
        ("json://receiver:8080/", [("ops:json:receiver:8080", Style.CHAT)]),
        (
            "signal://h.example.org/+15550001111/+15551112222",
            [("ops:signal:h.example.org", Style.CHAT)],
        ),
        (
            "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
            [("ops:discord", Style.CHAT)],
        ),
    ],
)
def test_recipients_and_styles(url: str, expected: list[tuple[str, Style]]) -> None:
    assert found(url) == expected


def test_every_recipient_of_another_service_is_one_too() -> None:
    url = "tgram://123456789:abcdefg_hijklmnop/12315544/12315545"
    first, second = service_recipients(url, ())
    assert first.audience != second.audience
    assert first.parts == second.parts == ("tgram",)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        (TWILIO, "no number to send to"),
        (f"{TWILIO}/+1555", "is not a telephone number"),
        (f"{TWILIO}/15551234567/call-me", "is not a telephone number"),
        ("twilio://AC0123:feed!face@15550001111/15551234567", "Twilio"),
        ("mailto://joe:pw@example.org?to=a@example.org,nobody", "is not a mail address"),
        ("mailto://joe:p%C3%A4ss@example.org?to=a@example.org", "beyond ASCII"),
        ("mailto://example.org", "E-Mail"),
        (f"{SLACK}/a%20b!", "is not a Slack channel"),
        ("slack://T1/B2", "Slack"),
        ("vonage://abcdef12:abcdefabcdef0123@15550001111", "no number to send to"),
        ("tgram://123456789:abcdefg_hijklmnop/?format=nonsense", "format"),
        ("json://", "can't read this json"),
    ],
)
def test_what_apprise_would_drop_is_an_error(url: str, what: str) -> None:
    with pytest.raises(ChannelError, match=what) as caught:
        service_recipients(url, ("url",))
    assert caught.value.path == ("url",)
    assert "feed!face" not in str(caught.value)
