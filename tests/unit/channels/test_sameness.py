"""Which targets are one recipient."""

from __future__ import annotations

import pytest

from channels.misconfigured import MisconfiguredTarget
from channels.plan import plan_targets
from channels.sameness import Recipient, recipient_of
from channels.spec import url_targets

SID, TOKEN = "AC0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
MAIL = {"enabled": True, "smtp_host": "mail.example.org", "from_address": "A <a@example.org>"}
SLACK_URL = "https://hooks.slack.com/services/T1A/B1B/c1CCCCCC"
PHONES = {"enabled": True, "twilio_account_sid": SID, "twilio_auth_token": TOKEN}
HOOK = "https://h.example.org/x"


def recipient(definition: object, block: str = "") -> Recipient:
    """The one recipient of an entry of `channels:`, or of a block of `notifications:`."""
    if block:
        assert isinstance(definition, dict)
        (target,) = plan_targets(block, definition, {}).whole()
    else:
        (target,) = url_targets("ops", definition, {}).whole()
    return recipient_of(target)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "mailtos://u:p@mail.example.org?to=alice@example.org",
            "mailtos://v:q@MAIL.example.org:587?to=Alice@Example.org&from=Gate%20<g@example.org>",
        ),
        (
            f"twilio://{SID}:{TOKEN}@+15550001111/+15550002222",
            f"twilio://{SID}:{TOKEN}@+15550009999/15550002222",
        ),
        ("slack://T1A/B1B/c1CCCCCC/#ops", "slack://T1A/B1B/c1CCCCCC/#OPS?footer=no"),
        ("json://h.example.org/x", "json://h.example.org/x?retry=3"),
        ("ntfys://h.example.org/plates", "ntfys://h.example.org/plates"),
        (HOOK, "HTTPS://H.example.org/x"),
        ("https://h.example.org", "https://h.example.org/"),
        (HOOK, {"url": HOOK, "timeout": 3, "secret": "s", "concurrency": 9}),
        (
            {"url": HOOK, "headers": {"X-Room": "a"}},
            {"url": HOOK, "headers": {"x-room": "a"}, "method": "post"},
        ),
    ],
)
def test_who_is_one_recipient(first: object, second: object) -> None:
    assert recipient(first) == recipient(second)


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
    assert recipient(definition, block) == recipient(url)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "mailtos://u:p@mail.example.org?to=a@example.org",
            "mailtos://u:p@mail.example.org?to=b@example.org",
        ),
        (
            "mailtos://u:p@mail.example.org?to=a@example.org",
            "mailtos://u:p@spare.example.org?to=a@example.org",
        ),
        (
            "mailtos://u:p@mail.example.org?to=a@example.org",
            "mailtos://u:p@mail.example.org?to=a@example.org&cc=boss@example.org",
        ),
        ("slack://T1A/B1B/c1CCCCCC/#ops", "slack://T1A/B1B/c1CCCCCC/#gate"),
        ("slack://T1A/B1B/c1CCCCCC/#ops", "slack://T1A/B1B/c2CCCCCC/#ops"),
        (
            f"twilio://{SID}:{TOKEN}@+15550001111/+15550002222",
            f"twilio://{SID}:{TOKEN}@+15550001111/+15550002222?method=call",
        ),
        ("ntfys://h.example.org/plates", "ntfys://h.example.org/gates"),
        ("json://h.example.org/x", "json://h.example.org/x?+X-Room=a"),
        (HOOK, f"{HOOK}/y"),
        (HOOK, f"{HOOK}?room=a"),
        (HOOK, {"url": HOOK, "method": "PUT"}),
        (HOOK, {"url": HOOK, "headers": {"X-Room": "a"}}),
        ("http://h.example.org/x", HOOK),
        ("http://joe@h.example.org/x", "http://JOE@h.example.org/x"),
    ],
)
def test_who_are_two_recipients(first: object, second: object) -> None:
    assert recipient(first) != recipient(second)


def test_a_target_that_does_not_say_is_alone_of_its_kind() -> None:
    first, second = MisconfiguredTarget("a", "x"), MisconfiguredTarget("b", "x")
    assert recipient_of(first) == recipient_of(first) != recipient_of(second)
