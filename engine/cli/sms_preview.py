"""What rules' text messages look like and cost, shown by the rules' own tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from channels.render import Style
from channels.render import render as render_message
from channels.sms_text import segments_of
from channels.target import AppriseTarget
from engine.event import make_event
from engine.render import render
from engine.rules import Expect, Rule, RuleSet
from engine.schema import EventSchema


def sms_previews(rule_set: RuleSet, schema: EventSchema, zone: tzinfo) -> Iterator[str]:
    """One line for each rule that sends text messages: its segments, their alphabet, its text.

    The event is that of the rule's first test that expects a match; a naive `captured_at` in it is
    read in `zone`.
    """
    for rule in rule_set.rules:
        if not any(_is_sms(rule_set, channel) for channel in rule.notify):
            continue
        test = next((test for test in rule.tests if test.expect is Expect.MATCH), None)
        if test is None:
            yield f"{rule.rule_id}: no test that expects a match shows its text message"
        else:
            yield _preview(rule, _text_of(rule, schema.complete(test.event), zone))


def _is_sms(rule_set: RuleSet, channel: str) -> bool:
    targets = rule_set.channels.get(channel, ())
    return any(isinstance(each, AppriseTarget) and each.style is Style.SMS for each in targets)


def _text_of(rule: Rule, values: dict[str, object], zone: tzinfo) -> str:
    event = make_event(values, zone=zone)
    alert, _ = render(rule, event, 0, event.time)
    return render_message(alert, Style.SMS, event.time, zone).body


def _preview(rule: Rule, text: str) -> str:
    found = segments_of(text)
    segments = "1 segment" if found.count == 1 else f"{found.count} segments"
    why = f" because of {' '.join(found.beyond)}" if found.beyond else ""
    return f"{rule.rule_id}: {segments} of {found.alphabet}{why}: {text}"
