"""Apprise's plugins, with the settings and corrections that alerts need."""

from __future__ import annotations

import logging

import pytest
from apprise.common import NotifyType, OverflowMode
from apprise.plugins.slack import NotifySlack

from channels.plugins.plugin import (
    NotifyEmail,
    SlackPlugin,
    make_plugin,
    plugin_class,
    take_over_logs,
)
from channels.plugins.url import is_native, read_url
from channels.redact import redact, remember
from engine.errors import ChannelError
from tests.support.services import SLACK as WEBHOOK_URL
from tests.support.services import Services
from tests.unit.channels.samples import set_environment

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


def test_plugin_neither_retries_nor_follows_nor_splits() -> None:
    url = f"{SLACK}?retry=5&wait=9&redirect=yes&overflow=split&optional=yes"
    plugin = make_plugin(NotifySlack, read_url(url))
    assert (plugin.retry, plugin.wait, plugin.redirects, plugin.optional) == (0, 0.0, False, False)
    assert plugin.overflow_mode is OverflowMode.TRUNCATE
    assert plugin.asset.http_redirects is False
    assert plugin.image_url(NotifyType.INFO) is None


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("mailto", "NotifyEmail"),
        ("MAILTOS", "NotifyEmail"),
        ("slack", "NotifySlack"),
        ("twilio", "TwilioPlugin"),
        ("json", "NotifyJSON"),
    ],
)
def test_schema_has_its_plugin(schema: str, name: str) -> None:
    assert plugin_class(schema).__name__ == name


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hooks.slack.com/services/T1A/B1B/c1CCCCCC", True),
        ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", True),
        ("https://h.example.org/services/T1A/B1B/c1CCCCCC", False),
    ],
)
def test_services_own_urls_are_known(url: str, expected: bool) -> None:
    assert is_native(url) is expected


def test_urls_secrets_are_remembered() -> None:
    read_url("mailto://joe:mail%40s3cret@example.org?to=a@example.org")
    assert redact("mail@s3cret") == "***"


def test_error_of_a_plugin_shows_no_secret() -> None:
    remember(["not-a-t0ken"])
    with pytest.raises(ChannelError) as caught:
        make_plugin(NotifySlack, {"schema": "slack", "token_a": "not-a-t0ken"}, ("url",))
    assert "***" in str(caught.value)
    assert "not-a-t0ken" not in str(caught.value)
    assert caught.value.path == ("url",)


def test_missing_keywords_are_an_error() -> None:
    with pytest.raises(ChannelError, match="Twilio"):
        make_plugin(plugin_class("twilio"), {"schema": "twilio"})


def test_dropped_recipient_is_an_error() -> None:
    keywords = read_url("mailto://joe:pw@example.org?to=a@example.org&cc=nobody")
    with pytest.raises(ChannelError, match=r"Dropped invalid Carbon Copy email \(nobody\)"):
        make_plugin(NotifyEmail, keywords)


def test_apprises_log_reaches_ours_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    take_over_logs()
    remember(["t0ken-in-a-log"])
    logger = logging.getLogger("apprise")
    with caplog.at_level(logging.DEBUG, "channels.apprise"):
        logger.warning("bad %s", "t0ken-in-a-log")
        logger.info("payload t0ken-in-a-log")
        logger.debug("payload t0ken-in-a-log")
    assert {each.getMessage() for each in caplog.records} == {"bad ***"}
    assert "channels.apprise" in {each.name for each in caplog.records}
    assert logger.propagate is False


def test_taking_over_logs_twice_changes_nothing() -> None:
    take_over_logs()
    logger = logging.getLogger("apprise")
    before = (list(logger.handlers), list(logger.filters))
    take_over_logs()
    assert (logger.handlers, logger.filters) == before


def test_slack_blocks_are_as_short_as_slack_wants_them() -> None:
    plugin = make_plugin(NotifySlack, read_url(f"{SLACK}?blocks=yes"))
    assert (plugin.body_maxlen, plugin.title_maxlen) == (3_000, 150)
    assert make_plugin(NotifySlack, read_url(SLACK)).body_maxlen == 35_000


KEYWORDS = {"schema": "slack", "token_a": "T1A", "token_b": "B1B", "token_c": "c1CCCC"}


@pytest.mark.parametrize(("emoji", "sent"), [(":car:", ":car:"), ("", None)])
def test_icon_is_sent_where_it_is_set(
    services: Services, monkeypatch: pytest.MonkeyPatch, emoji: str, sent: str | None
) -> None:
    set_environment(monkeypatch, services.environment)
    plugin = make_plugin(SlackPlugin, {**KEYWORDS, "icon_emoji": emoji})
    assert plugin.notify(body="x", title="y") is True
    assert services.to(WEBHOOK_URL)[0].json().get("icon_emoji") == sent
