"""Slack with an emoji as its icon."""

from __future__ import annotations

import pytest

from channels.plugins import SlackPlugin, make_plugin
from tests.support.services import SLACK, Services
from tests.unit.channels.samples import set_environment

KEYWORDS = {"schema": "slack", "token_a": "T1A", "token_b": "B1B", "token_c": "c1CCCC"}


@pytest.mark.parametrize(("emoji", "sent"), [(":car:", ":car:"), ("", None)])
def test_icon_is_sent_where_it_is_set(
    services: Services, monkeypatch: pytest.MonkeyPatch, emoji: str, sent: str | None
) -> None:
    set_environment(monkeypatch, services.environment)
    plugin = make_plugin(SlackPlugin, {**KEYWORDS, "icon_emoji": emoji})
    assert plugin.notify(body="x", title="y") is True
    assert services.to(SLACK)[0].json().get("icon_emoji") == sent
