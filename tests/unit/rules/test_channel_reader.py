"""Channels of `channels:` and `notifications:`, and the names that rules may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.alert import Target
from engine.errors import RulesError
from engine.rules import load_rules
from engine.rules.channel_reader import hold_any
from tests.unit.rules.rule_text import faults, load, schema

RULE = "rules:\n  - {{id: a, when: true, notify: {notify}}}\n"
MAIL_ON = (
    "notifications:\n  email:\n    enabled: true\n    smtp_host: localhost\n"
    "    from_address: a@example.com\n    recipients: [b@example.com, c@example.com]\n"
)
MAIL_OFF = "notifications:\n  email: {enabled: false, password: '${UNSET}'}\n"
HOOK = "channels:\n  hook: http://localhost:1/${TOKEN}\n"


def test_channels_and_blocks_become_targets(tmp_path: Path) -> None:
    text = MAIL_ON + HOOK + RULE.format(notify="[hook, email, hook]")
    found = load(tmp_path, text, {"TOKEN": "x"})
    assert {name: len(targets) for name, targets in found.channels.items()} == {
        "hook": 1,
        "email": 2,
    }
    assert found.rules[0].notify == ("hook", "email")
    (warning,) = found.warnings
    assert warning.what == "the channel hook is named twice, an alert is sent once"


@pytest.mark.parametrize("variables", [{}, {"TOKEN": ""}])
def test_an_unset_variable_of_an_enabled_channel_is_an_error_that_names_it(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    (told,) = faults(tmp_path, HOOK + RULE.format(notify="[hook]"), variables)
    assert told.startswith("2:3: hook: ")
    assert "TOKEN" in told


def test_an_unset_variable_of_a_disabled_block_is_none(tmp_path: Path) -> None:
    found = load(tmp_path, MAIL_OFF + RULE.format(notify="[email]"))
    assert found.channels == {}
    assert found.switched_off == {"email"}
    assert found.rules[0].notify == ()
    (warning,) = found.warnings
    place = f"{tmp_path / 'rules.yaml'}:2:3"
    assert warning.what == (
        f"the rule a has no channel left: email is disabled (`enabled: false` at {place})"
    )


def test_a_block_that_does_not_say_is_disabled(tmp_path: Path) -> None:
    text = "notifications:\n  sms:\n  slack: {enabled: }\n" + RULE.format(notify="[slack]")
    told = faults(tmp_path, text)
    assert told[0].startswith("2:3: `sms` must be a mapping") or "`sms`" in told[0]


def test_a_disabled_channel_beside_an_enabled_one_is_warned_of(tmp_path: Path) -> None:
    text = MAIL_OFF + HOOK + RULE.format(notify="[email, hook]")
    found = load(tmp_path, text, {"TOKEN": "x"})
    assert found.rules[0].notify == ("hook",)
    assert [warning.code for warning in found.warnings] == ["channel-disabled"]


def test_a_rule_that_names_no_channel_is_warned_of_unless_it_says_so(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, "rules:\n  - {id: a, when: true}\n").warnings
    assert warning.code == "no-channel"
    assert not load(tmp_path, RULE.format(notify="[]")).warnings


def test_a_disabled_rule_is_not_warned_about(tmp_path: Path) -> None:
    text = "rules:\n  - {id: a, when: true, enabled: false, notify: [email]}\n"
    assert not load(tmp_path, MAIL_OFF + text).warnings


def test_an_unknown_channel_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    told = faults(tmp_path, MAIL_OFF + RULE.format(notify="[emial, pager]"))
    assert told == [
        "4:34: unknown channel `emial`, did you mean `email`?",
        "4:41: unknown channel `pager`, define it under `channels:`; there are email",
    ]


def test_a_faulty_channel_is_not_unknown_besides(tmp_path: Path) -> None:
    assert len(faults(tmp_path, HOOK + RULE.format(notify="[hook]"))) == 1


def test_a_channel_defined_twice_names_both_places(tmp_path: Path) -> None:
    text = "channels:\n  email: http://localhost:1/a\n" + MAIL_ON + RULE.format(notify="[email]")
    (told,) = faults(tmp_path, text)
    assert told.startswith("4:3: the channel `email` is defined twice, first at ")


def test_a_channel_may_stand_in_for_a_disabled_block(tmp_path: Path) -> None:
    text = MAIL_OFF + "channels:\n  email: http://localhost:1/a\n" + RULE.format(notify="[email]")
    found = load(tmp_path, text)
    assert found.rules[0].notify == ("email",)
    assert not found.warnings
    assert found.switched_off == frozenset()


def test_a_channel_is_in_use_switched_off_or_unknown(tmp_path: Path) -> None:
    text = MAIL_OFF + HOOK + RULE.format(notify="[hook, email]")
    found = load(tmp_path, text, {"TOKEN": "x"})
    assert found.channels.keys() == {"hook"}
    assert found.switched_off == {"email"}


def test_an_entry_of_channels_cant_be_switched_off(tmp_path: Path) -> None:
    text = "channels:\n  hook: {url: http://localhost:1/, enabled: false}\n"
    (told,) = faults(tmp_path, text + RULE.format(notify="[hook]"))
    assert "the key enabled is unknown" in told


def test_every_fault_of_a_block_has_its_own_place(tmp_path: Path) -> None:
    text = (
        "notifications:\n  email:\n    enabled: true\n    smtp_host: localhost\n"
        "    smtp_port: 99999\n    from_address: a@example.com\n"
        "    recipients:\n      - b@example.com\n      - nobody\n" + RULE.format(notify="[email]")
    )
    told = faults(tmp_path, text)
    assert [each.split(" ", 1)[0] for each in told] == ["5:5:", "9:9:"]


def test_a_channels_name_is_a_word(tmp_path: Path) -> None:
    told = faults(tmp_path, 'channels:\n  "a b": http://localhost\n' + RULE.format(notify="[]"))
    assert told[0].startswith("2:3: this can't be the name of a channel, use at most 64 letters")


def test_without_variables_no_channel_is_made(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(HOOK + MAIL_OFF + RULE.format(notify="[hook]"))
    found = load_rules([path], schema(), None)
    assert found.channels == {"hook": ()}
    assert found.rules[0].notify == ("hook",)


def test_targets_by_name_replace_every_channel_even_disabled_ones(tmp_path: Path) -> None:
    made: list[str] = []

    def targets_of(name: str) -> tuple[Target, ...]:
        made.append(name)
        return ()

    path = tmp_path / "rules.yaml"
    path.write_text(HOOK + MAIL_OFF + RULE.format(notify="[hook, email]"))
    found = load_rules([path], schema(), {}, targets_by_name=targets_of)
    assert made == ["hook", "email"]
    assert found.rules[0].notify == ("hook", "email")
    assert found.switched_off == frozenset()
    assert not found.warnings


def test_nothing_under_channels_is_no_fault(tmp_path: Path) -> None:
    assert not faults(tmp_path, "channels:\nnotifications:\n" + RULE.format(notify="[]"))


@pytest.mark.parametrize(
    "text",
    [
        "channels:\n  hook: *hunter2\n",
        "channels:\n  hook: !hunter2 x\n",
        "channels: {hook:json://u:hunter2@localhost}\n",
        "channels: {'a hunter2:': 1, 'a hunter2:': 2}\n",
        "notifications: {'email:hunter2': {}}\n",
        "notifications:\n  email:\n    password: hunter2: 5\n",
        'notifications:\n  email:\n    password: "hunter2\\q"\n',
        "notifications: {email:hunter2@}\n",
    ],
)
def test_a_fault_never_shows_what_may_be_a_secret(tmp_path: Path, text: str) -> None:
    told = faults(tmp_path, text + RULE.format(notify="[]"))
    assert told
    assert "hunter2" not in "".join(told)


BAD_MAIL = MAIL_ON.replace("localhost", "${GONE}")
BAD_ENTRY = "channels:\n  hook: ['http://localhost:1/a', '${GONE}']\n"


def test_a_channel_that_may_be_held_does_not_stop_the_load(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(BAD_ENTRY + BAD_MAIL + RULE.format(notify="[hook, email]"))
    found = load_rules([path], schema(), {}, may_hold={"hook", "email"}.__contains__)
    assert found.rules[0].notify == ("hook", "email")
    assert not found.warnings
    ids = [[target.label for target in found.channels[name]] for name in ("hook", "email")]
    assert ids == [["hook:localhost:1", "hook:?"], ["email:?"]]
    (fault,) = found.misconfigured["hook"]
    assert str(fault).startswith(f"{path}:2:34: hook: the environment variable GONE is unset")
    assert "email" in found.misconfigured


def test_a_channel_that_may_not_be_held_stops_the_load_and_all_faults_are_in_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(BAD_ENTRY + BAD_MAIL + RULE.format(notify="[hook, email]"))
    with pytest.raises(RulesError) as error:
        load_rules([path], schema(), {}, may_hold={"hook"}.__contains__)
    assert {fault.what.split(":")[0] for fault in error.value.faults} == {"hook", "email"}


def test_a_channel_without_faults_is_not_misconfigured(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(HOOK + RULE.format(notify="[hook]"))
    found = load_rules([path], schema(), {"TOKEN": "x"}, may_hold=hold_any)
    assert not found.misconfigured
    assert [each.label for each in found.channels["hook"]] == ["hook:localhost:1"]


SPARE = """channels:
  spare: mailtos://u:p@spare.example.org?to=b@example.com,C@example.com,d@example.com
  again: mailto://localhost:587?from=a@example.com&to=b@example.com
  signed: {url: "http://localhost:1/x", secret: one}
  other: {url: "http://localhost:1/x", secret: two}
"""


@pytest.mark.parametrize(
    ("notify", "column", "what", "remedy"),
    [
        (
            "[email, spare]",
            41,
            "the rule a reaches b@example.com and 1 more by email, and not by spare once more",
            "to use spare, name it first; else remove the recipient there",
        ),
        (
            "[spare, email]",
            41,
            "the rule a reaches b@example.com and 1 more by spare, and not by email once more",
            "to use email, name it first; else remove the recipient there",
        ),
        (
            "[signed, other]",
            42,
            "the rule a reaches localhost:1 by signed, and not by other once more",
            "to use other, name it first; else remove the recipient there",
        ),
    ],
)
def test_a_recipient_by_two_channels_of_other_means_is_warned_of(
    tmp_path: Path, notify: str, column: int, what: str, remedy: str
) -> None:
    found = load(tmp_path, MAIL_ON + SPARE + RULE.format(notify=notify), {})
    (warning,) = found.warnings
    assert (warning.what, warning.remedy) == (what, remedy)
    assert (warning.place.line, warning.place.column) == (13, column)


def test_a_recipient_by_two_channels_of_the_same_means_is_not(tmp_path: Path) -> None:
    text = MAIL_ON + SPARE + RULE.format(notify="[email, again]")
    assert not load(tmp_path, text, {}).warnings


def test_two_channels_of_one_recipient_are_warned_of_by_their_first_rule_that_is_on(
    tmp_path: Path,
) -> None:
    text = MAIL_ON + SPARE + RULE.format(notify="[email, spare], enabled: false")
    for name in ("b", "c"):
        text += f"  - {{id: {name}, when: true, notify: [email, spare]}}\n"
    (warning,) = load(tmp_path, text, {}).warnings
    assert warning.what.startswith("the rule b reaches")
