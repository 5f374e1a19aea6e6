"""How a channel wants its alerts, as its definition says it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from channels.alert import Grouping, Terms
from channels.definitions.block import faults_of
from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from engine.errors import ChannelError

MAIL = "mailto://localhost/?from=a@example.org&to=b@example.org"
HOOK = "https://dispatch.example.com/alerts"
BY = ("plate.normalized_text",)


def terms(definition: Any) -> Terms:
    """The terms of the one target of a channel."""
    (target,) = entry_targets("ops", definition, {}).checked()
    return target.terms


def faults(definition: Any) -> list[str]:
    try:
        found = entry_targets("ops", definition, {}).faults
    except ChannelError as error:
        found = faults_of(error)
    return [f"{'.'.join(map(str, each.path))}: {each}" for each in found]


@pytest.mark.parametrize("url", [MAIL, HOOK])
def test_a_channel_is_grouped_where_it_says_so(url: str) -> None:
    assert terms(url).grouping is None
    assert terms({"url": url, "group": None}).grouping is None
    group = {"by": [*BY], "wait_seconds": 30, "high_wait_seconds": 5}
    assert terms({"url": url, "group": group}).grouping == Grouping(BY, 30.0, 5.0)


def test_an_urgent_alert_waits_a_second_unless_told_otherwise() -> None:
    assert terms({"url": MAIL, "group": {"by": BY[0]}}).grouping == Grouping(BY, 10.0, 1.0)
    short = {"by": BY[0], "wait_seconds": 0.5}
    assert terms({"url": MAIL, "group": short}).grouping == Grouping(BY, 0.5, 0.5)


def test_people_get_digests_and_webhooks_do_not() -> None:
    assert (terms(MAIL).digest_above, terms(HOOK).digest_above) == (20, 0)
    assert terms({"url": HOOK, "digest_above": 100}).digest_above == 100
    for off in (False, "off", "no"):
        assert terms({"url": MAIL, "digest_above": off}).digest_above == 0


@pytest.mark.parametrize(
    ("rate", "seconds"), [("30/m", 2.0), ("1/s", 1.0), ("10 / h", 360.0), (None, 0.0)]
)
def test_a_rate_is_a_time_between_two_messages(rate: str | None, seconds: float) -> None:
    assert terms({"url": MAIL, "rate": rate}).interval_seconds == seconds


def test_a_fallback_waits_five_minutes_unless_told_otherwise() -> None:
    found = terms({"url": HOOK, "fallback": "phones"})
    assert (found.fallback, found.fallback_after_seconds) == ("phones", 300.0)
    short = {"url": HOOK, "fallback": "phones", "fallback_after_seconds": 5}
    assert terms(short).fallback_after_seconds == 5.0


def test_blocks_have_the_same_keys() -> None:
    block = {"enabled": True, "url": HOOK, "group": {"by": [*BY]}}
    (target,) = notification_targets("webhook", block, {}).checked()
    assert target.terms.grouping == Grouping(BY, 10.0, 1.0)


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"group": BY[0]}, "group: group is not a mapping"),
        ({"group": {"wait_seconds": 3}}, "group.by: by is missing"),
        ({"group": {"by": [], "wait_seconds": 3}}, "group.by: by is missing or empty"),
        ({"group": {"by": [*BY], "wait_seconds": -1}}, "group.wait_seconds: .* out of range"),
        ({"group": {"by": [*BY], "wait": 3}}, "group.wait: the key wait is unknown"),
        *(({"rate": each}, f"rate: rate '{each}' .* 30/m") for each in ("30", "0/m", "5/d", "m")),
        ({"fallback_after_seconds": 0}, "fallback_after_seconds: .* out of range"),
        ({"digest_above": 0}, "digest_above: .* out of range"),
        ({"digest_above": "never"}, "digest_above: .* not a number, write one from 1 to 1000"),
    ],
)
def test_wrong_terms_are_faults_at_their_place(keys: dict[str, Any], fault: str) -> None:
    (found,) = faults({"url": MAIL, **keys})
    assert re.match(fault, found)
