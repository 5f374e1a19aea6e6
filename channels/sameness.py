"""Which targets are one recipient: of those that a rule names, only the first gets its alerts.

- Mail: server and port, address, and the copies. Names, senders and letter case don't matter.
- Slack: the webhook or the bot's token, and the room.
- Twilio: account, number, and whether it is texted or called. The sender does not matter.
- Webhook: method, URL and headers, among which a relay may tell its receivers apart.
- Any other service: its whole URL, as Apprise writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from apprise import NotifyBase
from apprise.plugins.slack import NotifySlack
from apprise.plugins.twilio import NotifyTwilio

from channels.alert import Target
from channels.mail_plugin import NotifyEmail

Recipient = tuple[str, ...]
"""Equal for equal recipients; may hold secrets, and is never shown."""


def recipient_of(target: Target) -> Recipient:
    """Who gets what is sent to the target; one that does not say is alone of its kind."""
    found: Recipient = getattr(target, "recipient", ())
    return found or ("target", target.target_id)


def plugin_recipient(plugin: NotifyBase) -> Recipient:
    """Who gets what an Apprise plugin with one recipient sends; empty where it can't be said."""
    given: Any = plugin
    if isinstance(plugin, NotifyEmail):
        addresses = sorted(str(address).lower() for _, address in given.targets)
        copies = sorted(str(address).lower() for address in {*given.cc, *given.bcc})
        server = str(given.smtp_host or given.host).lower()
        return ("mail", server, str(given.port), *addresses, "copies", *copies)
    if isinstance(plugin, NotifySlack):
        rooms = sorted(str(room or "").lower() for room in given.channels)
        return ("slack", *map(str, given.url_identifier), *rooms)
    if isinstance(plugin, NotifyTwilio):
        numbers = sorted(str(number) for number in given.targets)
        return ("twilio", str(given.account_sid), str(given.method), *numbers)
    try:
        return ("service", str(given.url()))
    except Exception:  # noqa: BLE001 - a plugin may raise anything
        return ()


def webhook_recipient(method: str, url: str, headers: Mapping[str, str]) -> Recipient:
    """Who gets what is sent so to a URL."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    address = parts._replace(netloc=f"{login}{at}{host.lower()}", path=parts.path or "/")
    given = sorted((name.lower(), value) for name, value in headers.items())
    return ("webhook", method, address.geturl(), *(text for pair in given for text in pair))
