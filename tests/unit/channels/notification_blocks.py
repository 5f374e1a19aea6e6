"""Blocks of the plan's form, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from channels.alert import Target
from channels.definitions.block import faults_of
from channels.definitions.notification_block import notification_targets
from engine.errors import ChannelError
from tests.conftest import SMTP_PASSWORD, SMTP_USERNAME

SLACK_URL = "https://hooks.slack.com/services/T0SECRET1/B0SECRET2/xSECRET3yyyy"


EMAIL: Mapping[str, Any] = {
    "enabled": True,
    "smtp_host": "localhost",
    "username": SMTP_USERNAME,
    "password": "${SMTP_PASSWORD}",
    "from_address": "Alerts, Inc <alerts@example.org>",
    "recipients": ["a@example.org", "Bob <b@example.org>", "a@example.org"],
}


SLACK_BLOCK: Mapping[str, Any] = {
    "enabled": True,
    "webhook_url": "${SLACK_WEBHOOK_URL}",
    "channel": "#alerts",
    "username": "Plate Bot",
    "icon_emoji": ":rotating_light:",
}


SMS: Mapping[str, Any] = {
    "enabled": True,
    "twilio_account_sid": "AC0123456789abcdef0123456789abcdef",
    "twilio_auth_token": "feedfacefeedfacefeedfacefeedface",
    "from_number": "+15550001111",
    "to_numbers": ["+15551234567", 15551234568],
}


VARIABLES = {"SMTP_PASSWORD": SMTP_PASSWORD, "SLACK_WEBHOOK_URL": SLACK_URL}


def targets(name: str, block: Mapping[str, Any], **changes: Any) -> tuple[Target, ...]:
    """The targets of a block with changes."""
    return notification_targets(name, {**block, **changes}, VARIABLES).checked()


def faults(name: str, block: Mapping[str, Any]) -> list[tuple[str | int, ...]]:
    """Where the faults of a block are."""
    with pytest.raises(ChannelError) as caught:
        notification_targets(name, block, VARIABLES).checked()
    return [fault.path for fault in faults_of(caught.value)]
