"""Which targets are one recipient."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.alert import Outcome, Reason, Status, Target
from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from channels.targets import identity
from channels.targets.identity import (
    MisconfiguredTarget,
    replaced,
    stand_in_id,
    target_label,
    without_duplicates,
)
from engine.errors import ChannelError
from tests.unit.channels.samples import alert

SID, TOKEN = "AC0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
MAIL = {"enabled": True, "smtp_host": "mail.example.org", "from_address": "A <a@example.org>"}
SLACK_URL = "https://hooks.slack.com/services/T1A/B1B/c1CCCCCC"
PHONES = {"enabled": True, "twilio_account_sid": SID, "twilio_auth_token": TOKEN}
HOOK = "https://h.example.org/x"
MAIL_URL = "mailtos://u:p@mail.example.org"
TWILIO = f"twilio://{SID}:{TOKEN}@+15550001111"
BOT = "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"
DISCORD = "discord://4174216298"
PAGER = f"pagerduty://{'a' * 32}@{'c' * 20}"
MATTERMOST = "mmosts://mm.example.org/3ccdd113474722377935511fc85d3dd4"
CHATS = "tgram://123456789:abcdefg_hijklmnop"


def target(definition: object, block: str = "", channel: str = "ops") -> Target:
    """The one target of an entry of `channels:`, or of a block of `notifications:`."""
    if block:
        assert isinstance(definition, dict)
        (found,) = notification_targets(block, definition, {}).checked()
    else:
        (found,) = entry_targets(channel, definition, {}).checked()
    return found


def used(first: object, second: object) -> list[str]:
    """The targets that a rule which names the channels `one` and `two` sends to."""
    targets = [target(first, channel="one"), target(second, channel="two")]
    return [each.channel for each in without_duplicates(targets)]


ONE = [
    (f"{MAIL_URL}?to=a@example.org", "mailtos://v:q@spare.example.org:465?to=a@example.org"),
    (
        f"{MAIL_URL}?to=alice@example.org",
        "mailtos://v:q@MAIL.example.org:587?to=Alice@Example.org&from=Gate%20<g@example.org>",
    ),
    (f"{MAIL_URL}?to=a@example.org&cc=boss@example.org", f"{MAIL_URL}?to=BOSS@example.org"),
    (f"{MAIL_URL}?to=a@example.org&bcc=boss@example.org", f"{MAIL_URL}?to=boss@example.org"),
    (f"{TWILIO}/+15550002222", f"{TWILIO}/1 (555) 000-2222"),
    (f"{TWILIO}/+15550002222", f"twilio://{SID}:{TOKEN}@+15550009999/15550002222"),
    (f"{TWILIO}/+15550002222", f"twilio://AC{TOKEN}:{TOKEN}@ACME/+15550002222"),
    (SLACK_URL, "slack://T1A/B1B/c1CCCCCC"),
    ("slack://T1A/B1B/c1CCCCCC/#ops", "slack://me@T1A/B1B/c1CCCCCC/#OPS?footer=no"),
    ("slack://T1A/B1B/c1CCCCCC/#ops", "slack://T1A/B1B/c1CCCCCC/ops"),
    ("json://h.example.org/x", "json://h.example.org:80/x?retry=3"),
    ("ntfys://h.example.org/plates", "ntfys://h.example.org/plates"),
    ("matrix://u:p@h.example.org/#gate", "matrix://u:p@h.example.org/#Gate"),
    (HOOK, "HTTPS://H.example.org/x"),
    (HOOK, "https://h.example.org:443/x#top"),
    ("http://h.example.org:80?a=1", "http://h.example.org/?a=1"),
    ("https://h.example.org", "https://h.example.org/"),
    ("https://joe:pw@h.example.org/%7ejoe", "https://joe:pw@h.example.org/~joe"),
    ("https://joe:pw@h.example.org/x", "https://joe:other@h.example.org/x"),
    ("json://joe:pw@h.example.org/x", "json://joe:other@h.example.org/x?verify=no&rto=3"),
    (f"{CHATS}/12315544", "tgram://987654321:zyxwvut_hijklmnop/12315544?silent=yes"),
    (f"{CHATS}/12315544:7", f"{CHATS}/12315544?topic=7"),
    (f"{DISCORD}/JHMHI8qBe7bk2ZwO5U7", f"{DISCORD}/XHMHI8qBe7bk2ZwO5U7?avatar=no"),
    (PAGER, f"{PAGER}/gate/plates?region=eu"),
    (f"{MATTERMOST}?to=ops", f"{MATTERMOST.replace('//', '//bot@')}?to=%23OPS&image=no"),
    ("ntfys://h.example.org/plates", "ntfys://joe:pw@H.example.org:443/plates?priority=high"),
    ("ntfys://joe:pw@h.example.org/plates", "ntfys://tk_abcdef@h.example.org/plates"),
    ("ntfy://plates", "ntfys://ntfy.sh/plates"),
    (HOOK, {"url": HOOK, "timeout": 3, "secret": "s", "concurrency": 9}),
    ({"url": HOOK, "secret": "one"}, {"url": HOOK, "secret": "other"}),
    (
        {"url": HOOK, "headers": {"X-Room": "a"}},
        {"url": HOOK, "headers": {"x-room": "a"}, "method": "post"},
    ),
    ("http://a%b/x", "http://a%b/x"),
]


@pytest.mark.parametrize(("first", "second"), ONE)
def test_one_recipient_in_two_channels_of_a_rule_is_reached_by_the_first(
    first: object, second: object
) -> None:
    assert used(first, second) == ["one"]


@pytest.mark.parametrize(("first", "second"), ONE)
def test_one_recipient_twice_in_a_channel_is_reached_by_the_first(
    first: object, second: object
) -> None:
    (found,) = entry_targets("ops", [first, second], {}).checked()
    assert found.audience == target(first).audience


@pytest.mark.parametrize(
    ("definition", "block", "url"),
    [
        (
            {**MAIL, "recipients": ["Bob <BOB@example.org>"]},
            "email",
            "mailtos://u:p@mail.example.org?from=x@example.org&to=bob@example.org",
        ),
        ({"enabled": True, "webhook_url": SLACK_URL, "icon_emoji": ":car:"}, "slack", SLACK_URL),
        (
            {**PHONES, "from_number": "+15550001111", "to_numbers": ["+1 (555) 000-2222"]},
            "sms",
            f"twilio://{SID}:{TOKEN}@+15550003333/+15550002222",
        ),
        ({"enabled": True, "url": HOOK}, "webhook", HOOK),
    ],
    ids=["email", "slack", "sms", "webhook"],
)
def test_a_block_and_a_url_are_one_recipient(definition: object, block: str, url: str) -> None:
    assert target(definition, block).audience.recipients == target(url).audience.recipients


@pytest.mark.parametrize(
    ("block", "definition", "count"),
    [
        ("email", {**MAIL, "recipients": ["Bob <BOB@a.org>", "bob@a.org", "c@a.org"]}, 2),
        (
            "sms",
            {**PHONES, "from_number": "ACME", "to_numbers": ["+15550002222", "1-555-000-2222"]},
            1,
        ),
    ],
)
def test_one_recipient_twice_in_a_block_is_one(
    block: str, definition: dict[str, object], count: int
) -> None:
    assert len(notification_targets(block, definition, {}).checked()) == count


TWO = [
    (f"{MAIL_URL}?to=a@example.org", f"{MAIL_URL}?to=b@example.org"),
    (f"{MAIL_URL}?to=a@example.org", f"{MAIL_URL}?to=a%2Bgate@example.org"),
    (f"{MAIL_URL}?to=a@example.org&cc=c@example.org", f"{MAIL_URL}?to=b@example.org"),
    ("slack://T1A/B1B/c1CCCCCC/#ops", "slack://T1A/B1B/c1CCCCCC/#gate"),
    ("slack://T1A/B1B/c1CCCCCC/#ops", "slack://T1A/B1B/c2CCCCCC/#ops"),
    (f"{BOT}/#ops", f"{BOT}/#gate"),
    (f"{CHATS}/12315544", f"{CHATS}/12315545"),
    (f"{CHATS}/12315544", f"{CHATS}/12315544?topic=7"),
    (CHATS, "tgram://987654321:zyxwvut_hijklmnop"),
    (f"{DISCORD}/JHMHI8qBe7bk2ZwO5U7", f"{DISCORD}/JHMHI8qBe7bk2ZwO5U7?thread=9"),
    (PAGER, PAGER.replace("aaaa", "bbbb")),
    (f"{MATTERMOST}?to=ops", f"{MATTERMOST}?to=gate"),
    (f"{MATTERMOST}?to=ops", f"{MATTERMOST.replace('3ccd', '4ccd')}?to=ops"),
    (f"{MATTERMOST}?to=ops", MATTERMOST),
    (f"{MATTERMOST}?to=ops&mode=bot&team=one", f"{MATTERMOST}?to=ops&mode=bot&team=two"),
    ("ntfys://h.example.org/plates", "ntfys://i.example.org/plates"),
    ("gotifys://h.example.org/Abcdefghijk1234", "gotifys://h.example.org/Bbcdefghijk1234"),
    (f"{TWILIO}/+15550002222", f"{TWILIO}/+15550002222?method=call"),
    (f"{TWILIO}/+15550002222", f"{TWILIO}/whatsapp:+15550002222"),
    ("ntfys://h.example.org/plates", "ntfys://h.example.org/gates"),
    ("ntfys://h.example.org/plates", "ntfys://h.example.org/Plates"),
    ("json://h.example.org/x", "json://h.example.org/x?+X-Room=a"),
    (HOOK, f"{HOOK}/"),
    (HOOK, f"{HOOK}/y"),
    (HOOK, "https://h.example.org/X"),
    (HOOK, f"{HOOK}?room=a"),
    (HOOK, "https://h.example.org:8443/x"),
    (HOOK, {"url": HOOK, "method": "PUT"}),
    (HOOK, {"url": HOOK, "headers": {"X-Room": "a"}}),
    ("http://h.example.org/x", HOOK),
    ("http://joe@h.example.org/x", "http://JOE@h.example.org/x"),
    ("https://:one@h.example.org/x", "https://:two@h.example.org/x"),
    ("json://ann:pw@h.example.org/x", "json://bob:pw@h.example.org/x"),
]


@pytest.mark.parametrize(("first", "second"), TWO)
def test_two_recipients_in_two_channels_of_a_rule_are_both_reached(
    first: object, second: object
) -> None:
    assert used(first, second) == ["one", "two"]


@pytest.mark.parametrize(("first", "second"), TWO)
def test_two_recipients_in_a_channel_are_both_reached(first: object, second: object) -> None:
    assert len(entry_targets("ops", [first, second], {}).checked()) == 2


def test_a_mail_with_copies_takes_the_place_of_those_that_it_reaches() -> None:
    plain, copied = f"{MAIL_URL}?to=a@example.org", f"{MAIL_URL}?to=a@example.org&cc=c@example.org"
    assert used(plain, copied) == ["two"]
    assert used(copied, plain) == ["one"]
    three = [target(url) for url in (plain, copied, f"{MAIL_URL}?to=c@example.org")]
    assert without_duplicates(three) == [three[1]]


def test_an_ntfy_topic_with_a_copy_by_mail_takes_the_place_of_one_without() -> None:
    plain = "ntfys://h.example.org/plates"
    assert used(plain, f"{plain}?email=a@example.org") == ["two"]


def test_a_copy_that_only_one_of_two_mails_has_is_sent() -> None:
    urls = (
        f"{MAIL_URL}?to=a@example.org&cc=c@example.org",
        f"{MAIL_URL}?to=c@example.org&cc=d@example.org",
    )
    assert used(*urls) == ["one", "two"]


def test_the_stand_ins_of_two_channels_are_two() -> None:
    first, second = MisconfiguredTarget("a", "x"), MisconfiguredTarget("b", "x")
    assert without_duplicates([first, second]) == [first, second]


def test_only_what_other_means_reach_is_replaced() -> None:
    first, again, other = (
        target(f"mailtos://u:p@{server}.example.org?to=a@example.org")
        for server in ("mail", "mail", "spare")
    )
    assert replaced([first, again, other]) == [(other, first)]


WHO = ("a@example.org", "+15550002222", "h.example.org", "discord", "tgram")


@pytest.mark.parametrize(
    ("first", "second", "is_other"),
    [
        (f"{MAIL_URL}?to=a@example.org", "mailtos://u:p@spare.example.org?to=a@example.org", True),
        (f"{MAIL_URL}?to=a@example.org", f"{MAIL_URL}?to=a@example.org&from=b@example.org", True),
        (f"{MAIL_URL}?to=a@example.org", "mailtos://u:p@MAIL.example.org?to=A@example.org", False),
        (f"{TWILIO}/+15550002222", f"twilio://{SID}:{TOKEN}@ACME/+15550002222", True),
        ({"url": HOOK, "secret": "one"}, {"url": HOOK, "secret": "other"}, True),
        ({"url": HOOK, "timeout": 3}, HOOK, False),
        (SLACK_URL, SLACK_URL, False),
        ("https://joe:one@h.example.org/x", "https://joe:two@h.example.org/x", True),
        (f"{DISCORD}/JHMHI8qBe7bk2ZwO5U7", f"{DISCORD}/JHMHI8qBe7bk2ZwO5U7?ping=@here", True),
        (f"{CHATS}/12315544", "tgram://987654321:zyxwvut_hijklmnop/12315544", True),
    ],
)
def test_means_are_what_sends_and_signs(first: object, second: object, is_other: bool) -> None:
    warnings: list[ChannelError] = []
    entry_targets("ops", [first, second], {}, warnings=warnings)
    found = [warning for warning in warnings if "by another URL of this channel" in warning.what]
    assert [warning.path[0] for warning in found] == ([1] if is_other else [])
    assert all(warning.what.split()[0] in WHO for warning in found)
    assert repr(target(first).audience) == "Audience()"


def test_the_manual_has_the_table_of_the_module() -> None:
    rows = [line for line in (identity.__doc__ or "").splitlines() if line.startswith("|")]
    manual = Path(__file__).parents[4] / "docs" / "channels.md"
    assert len(rows) > 2
    assert "\n".join(rows) in manual.read_text(encoding="utf-8")


def test_a_label_is_channel_and_recipient() -> None:
    assert target_label("ops", "slack", "#alerts") == "ops:slack:#alerts"


def test_a_misconfigured_target_sends_nothing_and_says_what_is_wrong() -> None:
    found = MisconfiguredTarget("pager", "the variable TOKEN is unset, set it")
    assert (found.channel, found.label) == ("pager", stand_in_id("pager"))
    outcome = found.send(alert(), "key")
    assert outcome == Outcome(
        Status.MISCONFIGURED, Reason.MISCONFIGURED, "the variable TOKEN is unset, set it"
    )
