"""The ids of targets: by the recipient, wherever it stands in a list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from channels.alert import Target
from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from channels.targets.identity import (
    MisconfiguredTarget,
    former_ids,
    identify,
    stand_in_id,
    target_id,
)
from tests.support.random_cases import examples

KEY: Final = b"k" * 32
SID, TOKEN = "AC0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
OTHER_TOKEN = TOKEN[::-1]
TWILIO = f"twilio://{SID}:{TOKEN}@+15550001111"
HOOK = "https://h.example.org/in"
MAIL = "mailtos://joe:s3cret@mail.example.org?to="
MATTERMOST = "mmosts://mm.example.org/"

#: By kind: three recipients, and the first by other means.
KINDS: Final[dict[str, tuple[list[object], object]]] = {
    "slack": (
        [f"https://hooks.slack.com/services/T1A/B1{room}/c1CCCCCC" for room in "ABC"],
        "slack://gate@T1A/B1A/c1CCCCCC?footer=no",
    ),
    "slack rooms": (
        [f"slack://T1A/B1B/c1CCCCCC/#{room}" for room in ("ops", "gate", "night")],
        "slack://gate@T1A/B1B/c1CCCCCC/OPS",
    ),
    "discord": (
        [f"https://discord.com/api/webhooks/417421629{n}/JHMHI8qBe7bk2ZwO5U7" for n in range(3)],
        "discord://4174216290/XHMHI8qBe7bk2ZwO5U7",
    ),
    "pagerduty": (
        [f"pagerduty://{sign * 32}@{'c' * 20}" for sign in "abd"],
        f"pagerduty://{'a' * 32}@{'e' * 20}/gate/plates",
    ),
    "telegram": (
        [f"tgram://123456789:abcdefg_hijklmnop/1231554{n}" for n in range(3)],
        "tgram://123456789:zyxwvut_hijklmnop/12315540",
    ),
    "mattermost": (
        [f"{MATTERMOST}{n}ccdd113474722377935511fc85d3dd4" for n in range(3)],
        f"{MATTERMOST.replace('//', '//bot@')}0ccdd113474722377935511fc85d3dd4?image=no",
    ),
    "mattermost rooms": (
        [f"{MATTERMOST}0ccdd113474722377935511fc85d3dd4?to={room}" for room in "abc"],
        f"{MATTERMOST.replace('//', '//bot@')}0ccdd113474722377935511fc85d3dd4?to=%23A",
    ),
    "ntfy": (
        [f"ntfys://joe:s3cret@h.example.org/topic{n}" for n in range(3)],
        "ntfys://joe:other@h.example.org/topic0?priority=high",
    ),
    "ntfy cloud": ([f"ntfy://topic{n}" for n in range(3)], "ntfy://topic0?priority=high"),
    "webhooks on one host": (
        [f"{HOOK}/{n}" for n in range(3)],
        {"url": f"{HOOK}/0", "secret": "s3cret", "timeout": 3, "verify": False},
    ),
    "webhooks with a login": (
        [f"https://{user}:s3cret@h.example.org/in" for user in ("ann", "bob", "cid")],
        "https://ann:other@h.example.org/in",
    ),
    "json": (
        [f"json://ann:s3cret@h.example.org/{n}" for n in range(3)],
        "json://ann:other@h.example.org/0?rto=9&verify=no",
    ),
    "mail": (
        [f"{MAIL}{name}@example.org" for name in ("ann", "bob", "cid")],
        "mailtos://eve:other@spare.example.org:465?to=Ann@example.org&mode=ssl&rto=9",
    ),
    "mails with copies": (
        [f"{MAIL}{name}@example.org&cc=c{name}@example.org" for name in ("ann", "bob", "cid")],
        "mailtos://eve:other@spare.example.org?to=ann@example.org&cc=cann@example.org",
    ),
    "sms": (
        [f"{TWILIO}/+1555000222{n}" for n in range(3)],
        f"twilio://{SID}:{OTHER_TOKEN}@ACME/+15550002220",
    ),
    "calls": (
        [f"{TWILIO}/+1555000222{n}?method=call" for n in range(3)],
        f"twilio://{SID}:{OTHER_TOKEN}@+15550009999/+15550002220?method=call",
    ),
}
#: What is a secret in the URLs above.
SECRETS: Final = (
    *("s3cret", "other", "B1A", "c1CCCCCC", "JHMHI8q", "XHMHI8q", "417421629", "aaaa", "cccc"),
    *("abcdefg", "zyxwvut", "1231554", "ccdd1134", "topic", "/in", TOKEN, OTHER_TOKEN, SID),
)
ALL_URLS: Final = tuple(chain.from_iterable(urls for urls, _ in KINDS.values()))
each_kind = pytest.mark.parametrize(("urls", "again"), KINDS.values(), ids=KINDS)


def made(definition: object, channel: str = "ops") -> tuple[Target, ...]:
    return entry_targets(channel, definition, {}).checked()


def ids(definition: object, key: bytes = KEY) -> list[str]:
    return list(identify(made(definition), key))


def block_ids(block: str, definition: dict[str, Any]) -> list[str]:
    targets = notification_targets(block, {"enabled": True, **definition}, {}).checked()
    return list(identify(targets, KEY))


@each_kind
def test_each_recipient_has_an_id(urls: list[object], again: object) -> None:
    assert len(set(ids(urls))) == 3


@each_kind
def test_swapped_removed_and_added_urls_leave_the_others_their_ids(
    urls: list[object], again: object
) -> None:
    first, second, third = ids(urls)
    assert ids(urls[::-1]) == [third, second, first]
    assert ids(urls[1:]) == [second, third]
    assert ids([urls[0], urls[2]]) == [first, third]
    assert ids(urls[2]) == [third]
    assert ids([HOOK, *urls])[1:] == [first, second, third]


@each_kind
def test_a_corrected_url_leaves_the_others_their_ids(urls: list[object], again: object) -> None:
    first, second, third = ids(urls)
    assert ids([urls[0], f"{HOOK}/new", urls[2]])[::2] == [first, third]
    assert second not in ids([urls[0], f"{HOOK}/new", urls[2]])


@each_kind
def test_other_means_keep_the_id(urls: list[object], again: object) -> None:
    assert ids(again) == ids(urls[0])
    assert ids([again, *urls[1:]]) == ids(urls)
    assert ids([*urls[1:], again])[-1] == ids(urls[0])[0]


@each_kind
def test_no_id_label_or_repr_has_a_secret(urls: list[object], again: object) -> None:
    with structlog.testing.capture_logs() as logs:
        targets = made([*urls, again])
    shown = [*ids([*urls, again]), *(each.label for each in targets), *map(repr, targets)]
    shown += [repr(each.audience) for each in targets]
    text = json.dumps([shown, logs])
    assert [secret for secret in SECRETS if secret in text] == []


@each_kind
def test_a_hash_is_of_one_key_only(urls: list[object], again: object) -> None:
    for target in made(urls):
        one, other = target_id(target, KEY), target_id(target, b"other")
        assert (one == other) == target.is_address
        assert one == target.label if target.is_address else one.startswith(f"{target.label}:")
        assert target.is_address or len(one) == len(target.label) + 11


@given(st.lists(st.sampled_from(ALL_URLS), unique_by=str, min_size=1, max_size=8), st.randoms())
@examples(200)
def test_ids_depend_on_neither_order_nor_the_others(urls: list[object], random: Any) -> None:
    by_url = {str(url): ids(url)[0] for url in urls}
    shuffled = random.sample(urls, len(urls))
    found = ids(shuffled)
    # A mail with a copy may stand for another one: its recipient has it by that.
    assert set(found) <= set(by_url.values())
    assert found == [by_url[str(url)] for url in shuffled if by_url[str(url)] in found]


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (f"{MAIL}Ann@Example.org", "ops:ann@example.org"),
        (f"{TWILIO}/+15550002222", "ops:+15550002222"),
        (f"{TWILIO}/whatsapp:+15550002222", "ops:whatsapp:+15550002222"),
    ],
)
def test_an_address_is_the_whole_id(definition: object, expected: str) -> None:
    assert ids(definition) == [expected]
    assert ids(definition, b"other") == [expected]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{TWILIO}/+15550002222", f"{TWILIO}/+15550002222?method=call"),
        (f"{MAIL}a@example.org", f"{MAIL}a@example.org&cc=b@example.org"),
        (f"{MAIL}a@example.org&cc=b@example.org", f"{MAIL}a@example.org&bcc=c@example.org"),
        ("slack://T1A/B1B/c1CCCCCC/#ops", "slack://T1A/B1B/c2CCCCCC/#ops"),
        ("json://h.example.org/x", "jsons://h.example.org/x"),
        (HOOK, {"url": HOOK, "headers": {"X-Room": "a"}}),
    ],
)
def test_one_label_for_two_recipients_makes_two_ids(first: object, second: object) -> None:
    assert len({*ids(first), *ids(second)}) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("slack://T1A/B1B/c1CCCCCC/#OPS", "slack://T1A/B1B/c1CCCCCC/ops"),
        ("json://H.example.org/x", "json://h.example.org/x"),
        ("https://H.example.org:443/in", HOOK),
    ],
)
def test_spellings_of_one_recipient_have_one_hash(first: object, second: object) -> None:
    assert [each.rpartition(":")[2] for each in ids(first)] == [
        each.rpartition(":")[2] for each in ids(second)
    ]


def test_blocks_have_ids_by_the_same_rule() -> None:
    mail = {"smtp_host": "mail.example.org", "from_address": "a@example.org"}
    assert block_ids("email", {**mail, "recipients": ["Bob <Bob@example.org>", "c@x.org"]}) == [
        "email:bob@example.org",
        "email:c@x.org",
    ]
    phones = {"twilio_account_sid": SID, "twilio_auth_token": TOKEN, "from_number": "ACME"}
    assert block_ids("sms", {**phones, "to_numbers": ["+1 555 000 2222"]}) == ["sms:+15550002222"]
    slack = {"webhook_url": "https://hooks.slack.com/services/T1A/B1B/c1CCCCCC"}
    (room,) = block_ids("slack", {**slack, "channel": "#Gate"})
    assert room.startswith("slack:#gate:")
    assert block_ids("slack", {**slack, "channel": "gate", "username": "x"}) == [room]
    (hook,) = block_ids("webhook", {"url": HOOK, "secret": "s3cret"})
    assert hook.startswith("webhook:h.example.org:")
    assert block_ids("webhook", {"url": HOOK}) == [hook]


def test_a_misconfigured_channel_has_an_id_of_its_own() -> None:
    targets = [MisconfiguredTarget("pager", "x"), *made(HOOK), MisconfiguredTarget("ops", "x")]
    for key in (KEY, b""):
        found = identify(targets, key)
        assert found["pager:?"] is targets[0]
        assert found[stand_in_id("ops")] is targets[2]
        assert len(found) == 3


def test_of_targets_with_one_recipient_the_first_has_the_id() -> None:
    first, second = *made({"url": HOOK, "secret": "a"}), *made({"url": HOOK, "secret": "b"})
    assert list(identify([first, second], KEY).values()) == [first]


def former(definition: object, key: bytes = KEY) -> tuple[list[str], list[str]]:
    found = former_ids(made(definition), key)
    return list(found), list(found.values())


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ([f"{HOOK}/1", f"{HOOK}/2"], ["ops:h.example.org", "ops:h.example.org-2"]),
        (f"{MAIL}Ann@example.org,bob@example.org", ["ops:Ann@example.org", "ops:bob@example.org"]),
        ("slack://T1A/B1B/c1CCCCCC/ops/#Gate", ["ops:slack:ops", "ops:slack:#Gate"]),
        (
            [f"https://hooks.slack.com/services/T1A/B1{room}/c1CCCCCC" for room in "ABC"],
            ["ops:slack", "ops:slack-2", "ops:slack-3"],
        ),
        ("ntfy://topic", ["ops:ntfy:efe58c13fa"]),
        (["ntfy://topic", "ntfy://topik"], ["ops:ntfy:efe58c13fa", "ops:ntfy:0101d6a9ad"]),
        ("json://H.example.org:8080/x", ["ops:json:H.example.org:8080"]),
        (
            "tgram://123456789:abcdefg_hijklmnop/12315544/12315545",
            ["ops:tgram:c6440c52df", "ops:tgram:cf474de3eb"],
        ),
    ],
)
def test_version_1_had_other_ids(definition: object, expected: Sequence[str]) -> None:
    assert former(definition) == (expected, ids(definition))


def test_a_number_of_version_1_never_made_an_id_that_was_given_too() -> None:
    class Named(MisconfiguredTarget):
        """A target whose id of version 1 is its detail."""

        def __init__(self, name: str) -> None:
            super().__init__("ops", name)
            self.former_name = name

    def numbered(*names: str) -> list[str]:
        return list(former_ids(map(Named, names), KEY))

    assert numbered("a", "b", "a", "a") == ["a", "b", "a-2", "a-3"]
    assert numbered("a", "a", "a-2", "a") == ["a", "a-3", "a-2", "a-4"]
    assert numbered("a-2", "a", "a", "a-2") == ["a-2", "a", "a-3", "a-2-2"]


def test_version_1_numbered_the_targets_of_each_channel_by_themselves() -> None:
    hooks = [f"{HOOK}/1", f"{HOOK}/2"]
    targets = [*made(hooks, "one"), *made(hooks, "two"), MisconfiguredTarget("two", "x")]
    found = former_ids(targets, KEY)
    assert list(found) == [
        *("one:h.example.org", "one:h.example.org-2"),
        *("two:h.example.org", "two:h.example.org-2", "two:?"),
    ]
    assert list(found.values()) == list(identify(targets, KEY))
