"""Mentions, orderings of letters and blank texts."""

from __future__ import annotations

import pytest

from channels.alert import SENT, Priority
from channels.definitions.channel_entry import entry_targets
from channels.render import Style, defuse, is_blank, render, without_bidi_controls
from tests.support.http_receiver import HttpReceiver
from tests.support.services import Services
from tests.unit.channels.samples import NOW, alert

Z = "\u200b"
HEX = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "defused"),
    [
        ("@everyone @Here @channel @all", f"@{Z}everyone @{Z}Here @{Z}channel @{Z}all"),
        ("x@here, x@everyone. @here.com", f"x@{Z}here, x@{Z}everyone. @{Z}here.com"),
        ("@**all** @_**Ann|7** @*ops*", f"@{Z}**all** @{Z}_**Ann|7** @{Z}*ops*"),
        ("<@&123> <@!4> <@5>", f"<{Z}@&123> <{Z}@!4> <{Z}@5>"),
        ("<!channel> <!subteam^S1>", f"<{Z}!channel> <{Z}!subteam^S1>"),
        ("<users/all>", f"<{Z}users/all>"),
        ('<at user_id="all">all</at>', f'<{Z}at user_id="all">all</at>'),
        ("@room @online @group", f"@{Z}room @{Z}online @{Z}group"),
    ],
)
def test_mention_is_parted(text: str, defused: str) -> None:
    assert defuse(text) == defused


@pytest.mark.parametrize(
    "text",
    [
        *("x@here.com", "all@all.example.org", "a.b+c@channel.io", "o'brien@group.example"),
        *("me@hereford.org", "@hereford", "a < b", "<b>", "<athlete>", "5 @ 3", "<https://x.org>"),
    ],
)
def test_what_is_no_mention_stays(text: str) -> None:
    assert defuse(text) == text


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize(
    "message",
    [
        "",
        " \n\t",
        "\u200b",
        "\ufeff\u200d \u2060",
        "\u202e\u2069",
        "\u3164\u2800",
        "\u00ad\ufe0f\u034f",
    ],
)
def test_message_of_which_nothing_is_seen_is_the_rules_name(message: str, style: Style) -> None:
    assert "Watchlist Plate" in render(alert(message=message), style, NOW).body


@pytest.mark.parametrize("text", ["x", ".", "\u200bx", "👨‍👩‍👧", "❤️", "e\u0301", "١", "語"])
def test_what_is_seen_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize("sign", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
@pytest.mark.parametrize("style", Style)
def test_nothing_turns_a_line_around(style: Style, sign: str) -> None:
    text = f"plate {sign}321CBA"
    event = {"images": {"plate_url": f"https://img.example.org/{sign}gpj.exe"}}
    message = render(alert(message=text, rule_name=text, event=event), style, NOW)
    assert sign not in message.title + message.body
    assert "plate 321CBA" in message.body


def test_letters_from_right_to_left_stay() -> None:
    assert without_bidi_controls("لوحة 123 אבג") == "لوحة 123 אבג"


def test_discord_mentions_nobody(outside: Services) -> None:
    (target,) = entry_targets("ops", f"discord://4174216298/{HEX}", {}).checked()
    assert target.send(alert(message="@everyone <@&42> x@here.com"), "k") == SENT
    (request,) = outside.to("discord.com")
    sent = request.json()
    assert f"@{Z}everyone <{Z}@&42> x@here.com" in sent["content"]
    assert sent["allowed_mentions"] == {"parse": []}


def test_discord_mentions_whom_the_url_names(outside: Services) -> None:
    (target,) = entry_targets("ops", f"discord://4174216298/{HEX}?ping=<@%2642>", {}).checked()
    assert target.send(alert(message="@everyone"), "k") == SENT
    (request,) = outside.to("discord.com")
    assert "<@&42>" in request.json()["content"]
    assert f"@{Z}everyone" in request.json()["content"]
    assert "allowed_mentions" not in request.json()


def test_discords_own_url_is_that_plugin(outside: Services) -> None:
    url = f"https://discord.com/api/webhooks/4174216298/{HEX}"
    (target,) = entry_targets("ops", url, {}).checked()
    assert target.send(alert(), "k") == SENT
    (request,) = outside.to("discord.com")
    assert request.json()["allowed_mentions"] == {"parse": []}


def test_zulip_mentions_nobody(outside: Services) -> None:
    (target,) = entry_targets("ops", f"zulip://bot@plates/{HEX}/gate", {}).checked()
    assert target.send(alert(message="@**all** @**Ann**"), "k") == SENT
    (request,) = outside.to("plates.zulipchat.com")
    assert f"@{Z}**all** @{Z}**Ann**" in request.form()["content"][0]


def test_mattermost_mentions_nobody(trusted: None, https_receiver: HttpReceiver) -> None:
    url = f"mmosts://localhost:{https_receiver.port}/{HEX}"
    (target,) = entry_targets("ops", url, {}).checked()
    assert target.send(alert(message="<!channel> @all", priority=Priority.LOW), "k") == SENT
    (request,) = https_receiver.requests.all()
    assert f"<{Z}!channel> @{Z}all" in request.json()["text"]
