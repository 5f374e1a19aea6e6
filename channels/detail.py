"""An outcome's detail made fit for logs and the store: no secret, no plate, and short."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from channels.alert import Alert, Outcome
from channels.redact import redact_beginning
from engine.schema import NORMALIZED_PLATE, PLATE_TEXT, value_at

PLATE: Final = "[plate]"
DETAIL_LENGTH: Final = 200
_MIN_LENGTH: Final = 3
#: What may stand between the characters of a plate, as it is or quoted.
_BETWEEN: Final = r"(?:[\W_]|%[0-9a-f]{2}|&\w{2,6};|\\u00[0-9a-f]{2}){0,3}"

#: No letter and no digit, unless they end a quoted sign: `%20`, `\u0020`, `\n`.
_BEFORE: Final = r"(?:(?<![^\W_])|(?<=%[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})|(?<=\\[nrtbf]))"


def safe(outcome: Outcome, alert: Alert) -> Outcome:
    """The outcome without secrets and without the alert's plate, which receivers may echo.

    The detail is cut last: a secret that were cut before could not be told.
    """
    if not outcome.detail:
        return outcome
    detail = redact_beginning(outcome.detail)
    for pattern in _plates(alert):
        detail = pattern.sub(PLATE, detail)
    return replace(outcome, detail=_short(detail))


def _short(text: str) -> str:
    return text if len(text) <= DETAIL_LENGTH else f"{text[: DETAIL_LENGTH - 1].rstrip()}…"


def _plates(alert: Alert) -> Iterator[re.Pattern[str]]:
    """Patterns of the plate as the event has it, and as others write it.

    As the event has it, it is found anywhere; in small letters and with other signs between its
    own, as a word of its own.
    """
    for path in (PLATE_TEXT, NORMALIZED_PLATE):
        text = value_at(alert.event, path)
        if not isinstance(text, str) or len(text.strip()) < _MIN_LENGTH:
            continue
        yield re.compile(re.escape(text))
        signs = [sign for sign in text if sign.isalnum()]
        if len(signs) >= _MIN_LENGTH:
            plate = _BETWEEN.join(map(_sign, signs))
            yield re.compile(rf"{_BEFORE}{plate}(?![^\W_])", re.IGNORECASE)


def _sign(sign: str) -> str:
    """One character of a plate: itself, or as JSON, a URL or HTML may write it."""
    forms = {sign, quote(sign), json.dumps(sign)[1:-1], html.escape(sign), f"&#{ord(sign)};"}
    return f"(?:{'|'.join(map(re.escape, sorted(forms)))})"
