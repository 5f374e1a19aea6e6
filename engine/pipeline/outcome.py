"""What became of a rule on an event: the verdict, and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from engine.errors import EvaluationError
from engine.rules import Rule
from engine.schema.event import Event
from engine.store import NewAlert


class Verdict(StrEnum):
    """What became of a rule on an event.

    FALSE: its condition did not hold. ERROR: the evaluation failed. INACTIVE and MUTED: it held
    outside of the rule's active time intervals, or inside of a muting one. SILENCED: somebody has
    silenced it. SUPPRESSED: its cooldown was not over. DUPLICATE: the record was processed before.
    EXPIRED: an alert, but too old to be sent. ALERT: an alert.
    """

    FALSE = "false"
    ERROR = "error"
    INACTIVE = "inactive"
    MUTED = "muted"
    SILENCED = "silenced"
    SUPPRESSED = "suppressed"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What became of `rule` on `event`.

    `alert` is what was stored, for the verdicts ALERT and EXPIRED, and for the first one that a
    silence kept back. `key` is the cooldown key of a match, None where it has none. Where it was
    suppressed, `suppressed_by_us` is the instant of the alert that suppresses it, in microseconds.
    `silenced_by` is the id of the silence, `interval` the name of the time interval, `error` why
    the evaluation failed.
    """

    rule: Rule
    event: Event = field(repr=False)
    verdict: Verdict
    alert: NewAlert | None = field(default=None, repr=False)
    key: str | None = None
    suppressed_by_us: int | None = None
    silenced_by: str = ""
    interval: str = ""
    error: EvaluationError | None = None
