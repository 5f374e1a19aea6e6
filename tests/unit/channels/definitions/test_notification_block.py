"""The plan's `notifications:` blocks, read into targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from channels.alert import SENT
from channels.definitions.notification_block import notification_targets
from engine.errors import ChannelError
from tests.support.http_receiver import HttpReceiver
from tests.unit.channels.notification_blocks import (
    EMAIL,
    SLACK_BLOCK,
    SLACK_URL,
    SMS,
    faults,
    targets,
)
from tests.unit.channels.samples import alert


@pytest.mark.parametrize("name", ["email", "slack", "webhook", "sms"])
@pytest.mark.parametrize("enabled", [{}, {"enabled": False}, {"enabled": "${ON:-false}"}])
def test_disabled_block_has_no_targets_whatever_its_variables(
    name: str, enabled: Mapping[str, Any]
) -> None:
    key = {"email": "password", "slack": "webhook_url", "webhook": "url", "sms": "from_number"}
    assert notification_targets(name, {**enabled, key[name]: "${UNSET}"}, {}).checked() == ()


@pytest.mark.parametrize("name", ["email", "slack", "webhook", "sms"])
def test_unknown_key_is_a_fault_in_a_disabled_block_too(name: str) -> None:
    with pytest.raises(ChannelError, match="did you mean enabled"):
        notification_targets(name, {"enabledd": False}, {}).checked()


def test_unknown_block_is_a_fault() -> None:
    with pytest.raises(ChannelError, match="use email, slack, webhook, sms"):
        notification_targets("pager", {}, {}).checked()


def test_unset_variable_of_an_enabled_block_is_named() -> None:
    with pytest.raises(ChannelError, match="SMTP_PASSWORD is unset") as caught:
        notification_targets("email", EMAIL, {}).checked()
    assert caught.value.path == ("password",)


def test_all_faults_of_a_block_are_reported() -> None:
    mail = {"enabled": True, "smtp_port": "x", "recipients": ["a", "b@c.de", "d"]}
    assert faults("email", mail) == [
        ("smtp_host",),
        ("smtp_port",),
        ("from_address",),
        ("recipients", 0),
        ("recipients", 2),
    ]
    assert faults("slack", {"enabled": True, "channel": "a b", "icon_emoji": "car"}) == [
        ("webhook_url",),
        ("channel",),
        ("icon_emoji",),
    ]
    assert faults("sms", {"enabled": True, "twilio_account_sid": "x", "to_numbers": ["1"]}) == [
        ("twilio_auth_token",),
        ("from_number",),
        ("to_numbers", 0),
        ("twilio_account_sid",),
    ]
    assert faults("webhook", {"enabled": True, "url": "h.example.org"}) == [("url",)]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"username": "ü"}, ("username",)),
        ({"password": "pässword"}, ("password",)),
        ({"password": None}, ("password",)),
        ({"from_address": "nobody"}, ("from_address",)),
        ({"recipients": []}, ("recipients",)),
        ({"recipients": ["a@b.de, c@d.de"]}, ("recipients", 0)),
        ({"use_tls": "perhaps"}, ("use_tls",)),
    ],
)
def test_mail_that_could_never_go_out_is_a_fault(
    change: Mapping[str, Any], path: tuple[str | int, ...]
) -> None:
    assert faults("email", {**EMAIL, **change}) == [path]


def test_no_error_holds_the_secret() -> None:
    for block, key in (("slack", "webhook_url"), ("sms", "twilio_auth_token")):
        secret = "https://example.org/not-slack/s3cr3tpart" if block == "slack" else "bad t0ken!"
        with pytest.raises(ChannelError) as caught:
            targets(block, {"slack": SLACK_BLOCK, "sms": SMS}[block], **{key: secret})
        assert secret not in str(caught.value)
        assert caught.value.path == (key,)


def test_every_recipient_is_a_target_named_without_secrets() -> None:
    assert [each.label for each in targets("email", EMAIL)] == [
        "email:a@example.org",
        "email:b@example.org",
    ]
    assert [each.label for each in targets("sms", SMS)] == [
        "sms:+15551234567",
        "sms:+15551234568",
    ]
    assert [each.label for each in targets("slack", SLACK_BLOCK)] == ["slack:#alerts"]
    assert [each.label for each in targets("slack", SLACK_BLOCK, channel=None)] == ["slack"]


def test_the_same_recipient_in_other_letters_is_one() -> None:
    found = targets("email", EMAIL, recipients=["a@example.org", "A@Example.org", "o'b@x.org"])
    assert [each.label for each in found] == ["email:a@example.org", "email:o'b@x.org"]


def test_numbers_without_a_country_are_of_the_default_one() -> None:
    numbers = ["(212) 555-1234", "+1 212 555 1234", 2125551235]
    assert faults("sms", {**SMS, "to_numbers": numbers}) == [("to_numbers", 0), ("to_numbers", 2)]
    found = targets("sms", SMS, to_numbers=numbers, default_country="US")
    assert [each.label for each in found] == ["sms:+12125551234", "sms:+12125551235"]
    assert faults("sms", {**SMS, "default_country": "Utopia"}) == [("default_country",)]


@pytest.mark.parametrize(
    ("changes", "path", "what"),
    [
        ({"from_number": "MG" + "0" * 32}, "from_number", "the SID of a Messaging Service"),
        ({"from_number": "ACME!"}, "from_number", "'ACME!' is not a number to send from"),
        (
            {"from_number": "ACME", "to_numbers": ["whatsapp:+15551234567"]},
            "from_number",
            "a name can't write to WhatsApp",
        ),
        ({"twilio_account_sid": "SK00"}, "twilio_account_sid", "the account's SID is not"),
    ],
)
def test_fault_of_twilio_names_what_is_wrong(
    changes: Mapping[str, Any], path: str, what: str
) -> None:
    with pytest.raises(ChannelError) as caught:
        targets("sms", SMS, **changes)
    assert what in caught.value.what
    assert caught.value.path == (path,)


def test_rotated_secret_is_the_same_target() -> None:
    before = targets("slack", SLACK_BLOCK)
    after = targets("slack", SLACK_BLOCK, webhook_url=SLACK_URL.replace("SECRET3", "ROTATED4"))
    assert before[0].label == after[0].label


def test_webhook_block_makes_a_webhook(trusted: None, https_receiver: HttpReceiver) -> None:
    (target,) = notification_targets(
        "webhook",
        {
            "enabled": True,
            "url": f"{https_receiver.url}/in?k=${{WEBHOOK_TOKEN}}",
            "method": "PUT",
            "headers": {"Authorization": "Bearer ${WEBHOOK_TOKEN}"},
            "timeout": 5,
        },
        {"WEBHOOK_TOKEN": "t/o&k=en#1"},
    ).checked()
    assert target.send(alert(), "k") == SENT
    (request,) = https_receiver.wait_for(1)
    assert (request.method, request.path) == ("PUT", "/in?k=t%2Fo%26k%3Den%231")
    assert request.headers["authorization"] == "Bearer t/o&k=en#1"
    assert target.label == f"webhook:localhost:{https_receiver.port}"


@pytest.mark.parametrize(
    ("name", "changes", "left", "path"),
    [
        ("email", {"recipients": ["${GONE}", "b@example.org"]}, "b@example.org", ("recipients", 0)),
        ("email", {"recipients": ["b@example.org", "bob"]}, "b@example.org", ("recipients", 1)),
        ("sms", {"to_numbers": ["12", "+15551234567"]}, "+15551234567", ("to_numbers", 0)),
    ],
)
def test_a_recipient_that_is_none_costs_the_others_nothing(
    name: str, changes: Mapping[str, Any], left: str, path: tuple[str | int, ...]
) -> None:
    block = {"email": EMAIL, "sms": SMS}[name]
    made = notification_targets(name, {**block, **changes}, {"SMTP_PASSWORD": "x"})
    assert [target.label for target in made.targets] == [f"{name}:{left}"]
    assert [fault.path for fault in made.faults] == [path]


def test_a_fault_of_the_whole_block_leaves_no_target() -> None:
    made = notification_targets(
        "email", {**EMAIL, "smtp_port": 0, "recipients": ["bob", "a@b.de"]}, {}
    )
    assert made.targets == ()
    assert {fault.path[0] for fault in made.faults} == {"password", "smtp_port", "recipients"}


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("email", EMAIL),
        ("slack", SLACK_BLOCK),
        ("webhook", {"enabled": True, "url": "https://h.example.org/in"}),
        ("sms", SMS),
    ],
)
def test_every_block_checks_its_timeout(name: str, block: Mapping[str, Any]) -> None:
    assert targets(name, block, timeout="120")
    for bad in (0, 121, "30s", True, float("nan")):
        assert faults(name, {**block, "timeout": bad}) == [("timeout",)]
