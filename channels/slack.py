"""Apprise's Slack plugin with the one thing that it lacks: the icon as an emoji."""

from __future__ import annotations

from typing import Any

from apprise.plugins.slack import NotifySlack


class SlackPlugin(NotifySlack):  # type: ignore[no-untyped-call]
    """Slack, with `icon_emoji` (`:rotating_light:`), which only older webhooks obey."""

    def __init__(self, icon_emoji: str = "", **keywords: Any) -> None:
        super().__init__(**keywords)  # type: ignore[no-untyped-call]
        self.icon_emoji = icon_emoji

    def _send(self, url: str, payload: dict[str, Any], *args: Any, **keywords: Any) -> Any:
        if self.icon_emoji:
            payload = {**payload, "icon_emoji": self.icon_emoji}
        return super()._send(url, payload, *args, **keywords)  # type: ignore[no-untyped-call]
