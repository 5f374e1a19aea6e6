"""An alert as a target would send it, for people who ask why."""

from __future__ import annotations

from datetime import datetime

from channels.alert import Alert, Target
from channels.render import Format, Message
from channels.targets.apprise_target import AppriseTarget
from channels.targets.webhook import WebhookTarget, payload


def preview(target: Target, alert: Alert, now: datetime) -> Message | None:
    """The alert as the target sends it at `now`, an aware time; None where it can't send."""
    if isinstance(target, AppriseTarget):
        return target.message(alert, now)
    if isinstance(target, WebhookTarget):
        return Message("", payload(alert).decode(), Format.TEXT)
    return None
