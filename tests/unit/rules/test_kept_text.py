"""What the store keeps of a rule file loads as the file does, and holds no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.rules import RuleSet, load_rules
from engine.rules.kept_text import kept_text
from tests.support.avro import plate_schema

GOOD_RULES = Path("tests/data/good_rules")
SAMPLES = sorted((*GOOD_RULES.glob("*.y*ml"), *Path("rules").rglob("*.yaml")))
EVERY_FORM = """\
# The old one: slack://s3cret/s3cret/s3cret
notifications: &all
  email:
    enabled: yes
    smtp_host: s3cret.example.com   # s3cret
    password: s3cret
    recipients: &people [s3cret@example.com, "s3cret2@example.com"]
  slack: {enabled: true, webhook_url: "https://hooks.slack.com/services/T0/B0/s3cret"}
  webhook: {url: https://s3cret.example.com, headers: {s3cret: "Bearer s3cret"}, secret: s3cret}
  sms:
    enabled: true
    twilio_auth_token: 's3cret
      s3cret'
channels:
  plain: json://user:s3cret@example.com
  many:
    - json://s3cret.example.com
    - &anchor "mailto://s3cret"
  mapping:
    url: |
      https://s3cret.example.com/?token=s3cret
    secret: &deep {s3cret: [s3cret]}
  again: *anchor
  merged: {<<: *deep, url: "json://s3cret"}
rules:
  # s3cret
  - id: one
    name: *anchor
    when: plate.confidence > 0.5    # s3cret
    notify: [plain, many, mapping, again, merged, email, slack]
    rate_limit: {cooldown_seconds: 60}
    message_template: "{plate.text} # at\\tthe \\u2028 gate"
  - {id: two, when: 'camera_id == "ä#b"', notify: [sms]}
"""


def load(path: Path) -> RuleSet:
    return load_rules([path], plate_schema(), None)


def facts(rule_set: RuleSet) -> list[object]:
    return [
        (
            *(rule.rule_id, rule.name, rule.description, rule.priority, rule.notify),
            *(rule.condition.text, rule.template.text, rule.place.line, rule.place.column),
            (rule.rate_limit.cooldown_seconds, [key.text for key in rule.rate_limit.keys])
            if rule.rate_limit
            else None,
            [(test.name, test.events, test.expectations) for test in rule.tests],
        )
        for rule in rule_set.rules
    ]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample_gives_the_same_rules_at_the_same_lines(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_text(kept_text(path.read_text()))
    for each in path.parent.glob("*.csv"):
        (tmp_path / each.name).write_bytes(each.read_bytes())
    former, kept = load(path), load(copy)
    assert facts(kept) == facts(former)
    assert set(kept.channels) == set(former.channels)
    assert kept.switched_off == former.switched_off
    assert kept.disabled == former.disabled


def test_no_form_of_a_channel_brings_a_secret_along(tmp_path: Path) -> None:
    text = kept_text(EVERY_FORM)
    assert "s3cret" not in text
    copy = tmp_path / "a.yaml"
    copy.write_text(text)
    rule_set = load(copy)
    lines = enumerate(EVERY_FORM.splitlines(), 1)
    assert [rule.place.line for rule in rule_set.rules] == [
        n for n, each in lines if "id: " in each
    ]
    assert rule_set.rules[0].name == "***"
    assert rule_set.rules[0].notify == (
        *("plain", "many", "mapping", "again", "merged"),
        *("email", "slack"),
    )
    assert rule_set.rules[0].template.text == "{plate.text} # at\tthe \u2028 gate"
    assert rule_set.switched_off == {"webhook"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "[", "- a\n", "channels: s3cret\n"])
def test_what_is_no_rule_file_gives_nothing_of_it(text: str) -> None:
    assert "s3cret" not in kept_text(text)
