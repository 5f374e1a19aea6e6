"""An outcome's detail made fit for logs and the store: no secret, no plate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from channels.alert import Alert, Outcome
from channels.redact import redact

PLATE: Final = "[plate]"
_PLATE_FIELDS: Final = ("text", "normalized_text")
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
    plate = alert.event.get("plate")
    if not isinstance(plate, Mapping):
        return
    for field in _PLATE_FIELDS:
        text = plate.get(field)
        if isinstance(text, str) and len(text.strip()) >= _MIN_LENGTH:
            yield text
