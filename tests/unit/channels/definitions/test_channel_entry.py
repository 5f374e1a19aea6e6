"""The entries of `channels:`."""

from __future__ import annotations

from typing import Any

import pytest

from channels.alert import SENT, Target
from channels.definitions.block import faults_of
from channels.definitions.channel_entry import entry_targets
from channels.targets.apprise_target import AppriseTarget
from channels.targets.webhook import WebhookTarget
from engine.errors import ChannelError
from tests.support.certificates import Certificates
from tests.support.http_receiver import HttpReceiver
from tests.unit.channels.samples import alert, set_environment

HOOK = "https://h.example.org/in"
MAIL = "mailtos://joe:${PASSWORD}@example.org?smtp=mail.example.org&to=a@example.org,b@example.org"
VARIABLES = {"PASSWORD": "p@/#?% w", "SLACK": "https://hooks.slack.com/services/T1A/B1B/c1CCCCCC"}


def targets(definition: object) -> tuple[Target, ...]:
    return entry_targets("ops", definition, VARIABLES).checked()


def labels(definition: object) -> list[str]:
    return [target.label for target in targets(definition)]


def faults(definition: object) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ChannelError) as caught:
        targets(definition)
    return [(fault.path, fault.what) for fault in faults_of(caught.value)]


def test_https_url_is_a_webhook() -> None:
    (target,) = targets(HOOK)
    assert isinstance(target, WebhookTarget)
    assert (target.channel, target.label, target.concurrency) == ("ops", "ops:h.example.org", 4)


def test_https_url_of_a_service_is_that_service() -> None:
    (target,) = targets("${SLACK}")
    assert isinstance(target, AppriseTarget)
    assert target.label == "ops:slack"


def test_webhooks_key_makes_any_https_url_a_webhook() -> None:
    (target,) = targets({"url": "${SLACK}", "method": "POST"})
    assert isinstance(target, WebhookTarget)
    assert target.label == "ops:hooks.slack.com"


def test_mapping_may_have_settings_and_several_urls() -> None:
    found = targets({"urls": [HOOK, "http://other.example.org:8080/x"], "concurrency": 2})
    assert [target.label for target in found] == [
        "ops:h.example.org",
        "ops:other.example.org:8080",
    ]
    assert {target.concurrency for target in found} == {2}


def test_list_may_mix_urls_and_mappings() -> None:
    assert labels([MAIL, {"url": HOOK, "timeout": 3}, "json://j.example.org:8080/x"]) == [
        "ops:a@example.org",
        "ops:b@example.org",
        "ops:h.example.org",
        "ops:json:j.example.org:8080",
    ]


def test_same_host_twice_has_one_label() -> None:
    assert labels([f"{HOOK}/1", f"{HOOK}/2"]) == ["ops:h.example.org"] * 2


def test_webhook_sends(
    https_receiver: HttpReceiver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, certificates.environment)
    url = f"{https_receiver.url}/a"
    for definition in (url, {"url": url, "secret": "s"}):
        (target,) = targets(definition)
        assert target.send(alert(), "k") == SENT
    assert "x-hub-signature-256" in https_receiver.wait_for(2)[1].headers


@pytest.mark.parametrize(
    ("definition", "path", "what"),
    [
        ([], (), "there is no URL"),
        (None, (), "this is not a URL"),
        (7, (), "this is not a URL"),
        ("", (), "the URL is empty"),
        ("ops@example.org", (), "this is a mail address, not a URL"),
        (["json://a", 7], (1,), "this is not a URL"),
        ("https://", (), "this is not a URL of http:// or https://"),
        ("nosuch://x/y", (), "Apprise can't read this nosuch:// URL"),
        ("json://a, json://b", (), "there are several URLs in one text"),
        ({}, (), "there must be either url or urls"),
        ({"url": HOOK, "urls": [HOOK]}, (), "there must be either url or urls"),
        ({"url": [HOOK]}, ("url",), "url is not a text"),
        ({"urls": []}, ("urls",), "urls is empty"),
        ({"urls": [HOOK, 7]}, ("urls", 1), "urls is not a text"),
        ({"url": HOOK, "methd": "PUT"}, ("methd",), "the key methd is unknown"),
        ({"url": HOOK, "method": "GET"}, ("method",), "method can't be 'GET'"),
        ({"url": "json://a", "secret": "x"}, ("url",), "this is not a URL of http:// or https://"),
        ([{"url": HOOK, "timeout": "x"}], (0, "timeout"), "timeout is not a number"),
        ("${GONE}", (), "the environment variable GONE is unset or empty"),
        ({"urls": ["${GONE}"]}, ("urls", 0), "the environment variable GONE is unset or empty"),
    ],
)
def test_fault_has_its_place(definition: Any, path: tuple[str | int, ...], what: str) -> None:
    assert faults(definition) == [(path, what)]


def test_all_faults_of_an_entry_are_reported() -> None:
    assert [path for path, _ in faults(["nosuch://x", {"url": HOOK, "timeout": 0}, "${GONE}"])] == [
        (0,),
        (1, "timeout"),
        (2,),
    ]


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ([HOOK, "mailto://joe:${GONE}@example.org"], (1,)),
        ([{"url": "${GONE}", "method": "PUT"}, HOOK], (0, "url")),
        ({"urls": ["http://", HOOK], "timeout": 3}, ("urls", 0)),
    ],
)
def test_a_url_that_cant_be_used_costs_the_others_nothing(
    definition: object, path: tuple[str | int, ...]
) -> None:
    made = entry_targets("ops", definition, VARIABLES)
    assert [target.label for target in made.targets] == ["ops:h.example.org"]
    assert [fault.path for fault in made.faults] == [path]
