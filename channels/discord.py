"""Apprise's Discord plugin with the one thing that it lacks: nothing in a message is a mention."""

from __future__ import annotations

from typing import Any

from apprise.plugins.discord import NotifyDiscord


class DiscordPlugin(NotifyDiscord):  # type: ignore[no-untyped-call]
    """Discord, which mentions nobody unless the URL has a `ping=`."""

    def _send(self, payload: dict[str, Any], *args: Any, **keywords: Any) -> Any:
        if not self.ping:
            payload = {**payload, "allowed_mentions": {"parse": []}}
        return super()._send(payload, *args, **keywords)
