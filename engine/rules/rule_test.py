"""The tests of rules: the events that they give, and what they expect of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from engine.errors import Place


class Expect(StrEnum):
    """What a test expects of a rule on an event.

    MATCH: the condition holds and the rule counts then, whatever becomes of the match. NO_MATCH:
    the opposite, without an error. The others are the pipeline's verdicts.
    """

    MATCH = "match"
    NO_MATCH = "no_match"
    FALSE = "false"
    ERROR = "error"
    INACTIVE = "inactive"
    MUTED = "muted"
    SILENCED = "silenced"
    SUPPRESSED = "suppressed"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    ALERT = "alert"

    @property
    def is_match(self) -> bool:
        """Whether the rule holds and counts."""
        return self not in _NO_MATCHES


_NO_MATCHES: Final = frozenset(
    {Expect.NO_MATCH, Expect.FALSE, Expect.ERROR, Expect.INACTIVE, Expect.MUTED}
)


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """An alert that says this; what is None is not compared.

    `message` is the alert's text, `subject` the subject of its e-mail, `sms` its text message.
    `matched_plate` is the plate that the reading is only like, "" for an exact match.
    """

    message: str | None = None
    subject: str | None = None
    sms: str | None = None
    suppressed_count: int | None = None
    matched_plate: str | None = None

    @property
    def is_match(self) -> bool:
        """Whether the rule holds and counts: always."""
        return True


Expectation: TypeAlias = Expect | ExpectedAlert


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """A partial event; `received_at`, an aware time, is when Kafka got it, None where unknown."""

    values: Mapping[str, Any]
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GivenSilence:
    """A silence that is in force while a test runs; empty matchers fit everything.

    `condition` is a CEL expression on the event. None as a time is no bound.
    """

    rule_id: str = ""
    plate: str = ""
    camera_id: str = ""
    condition: str = ""
    starts: datetime | None = None
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One of a rule's own tests: events in their order, and what it expects of each."""

    name: str
    events: tuple[GivenEvent, ...]
    expectations: tuple[Expectation, ...]
    place: Place
    silences: tuple[GivenSilence, ...] = ()

    def matching_events(self) -> Iterator[Mapping[str, Any]]:
        """The partial events on which the rule has to match."""
        for event, expected in zip(self.events, self.expectations, strict=True):
            if expected.is_match:
                yield event.values


@dataclass(frozen=True, slots=True)
class SetTest:
    """A test over several rules: events in their order, and what it expects of each rule by its id.

    Rules that an event's expectations don't name must not alert on it.
    """

    name: str
    events: tuple[GivenEvent, ...]
    expectations: tuple[Mapping[str, Expectation], ...]
    place: Place
    silences: tuple[GivenSilence, ...] = ()

    @property
    def rule_ids(self) -> frozenset[str]:
        """The rules that it names."""
        return frozenset(rule_id for named in self.expectations for rule_id in named)
