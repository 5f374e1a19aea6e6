"""An outcome's detail made fit for logs and the store: no secret, no plate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from channels.alert import Alert, Outcome
from channels.redact import redact
from engine.schema import NORMALIZED_PLATE, PLATE_TEXT, value_at

PLATE: Final = "[plate]"
_MIN_LENGTH: Final = 3


def safe(outcome: Outcome, alert: Alert) -> Outcome:
    """The outcome without secrets and without the alert's plate, which receivers may echo."""
    if not outcome.detail:
        return outcome
    detail = redact(outcome.detail)
    for plate in _plates(alert):
        detail = detail.replace(plate, PLATE)
    return replace(outcome, detail=detail)


def _plates(alert: Alert) -> Iterator[str]:
    for path in (PLATE_TEXT, NORMALIZED_PLATE):
        text = value_at(alert.event, path)
        if isinstance(text, str) and len(text.strip()) >= _MIN_LENGTH:
            yield text
