"""An alert as a target would send it, for people who ask why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from apprise.common import NotifyFormat
from apprise.conversion import convert_between

from channels.alert import Alert, Target
from channels.render import Format, Message
from channels.targets.apprise_target import AppriseTarget
from channels.targets.webhook import WebhookTarget, payload

_convert: Final[Callable[..., str]] = convert_between


def preview(target: Target, alert: Alert, now: datetime) -> Message | None:
    """The alert as the target sends it at `now`, an aware time; None where it can't send."""
    if isinstance(target, AppriseTarget):
        return target.message(alert, now)
    if isinstance(target, WebhookTarget):
        return Message("", payload(alert).decode(), Format.TEXT)
    return None


def readable(message: Message) -> str:
    """The body of a message as text; that of a mail is HTML."""
    if message.format is Format.HTML:
        return _convert(NotifyFormat.HTML, NotifyFormat.TEXT, message.body)
    return message.body
