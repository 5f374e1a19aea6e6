"""What a target takes, an `Alert`, and what it returns, an `Outcome`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

RecipientKey = tuple[str, ...]
"""Equal for equal recipients; may hold secrets, and is never shown."""


class Priority(StrEnum):
    """How urgent an alert is; the most urgent has the lowest `rank`."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        return tuple(Priority).index(self)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert with its message, as it is stored and sent.

    Times are ISO 8601 texts; `captured_at` is as the event has it, `created_at` in UTC with a `Z`.
    `late_seconds` is the time from the event to the making of the alert. `suppressed_count` is the
    number of matches that the cooldown has suppressed since the last alert. `is_test` is true for a
    drill, which tries out a channel: it is never stored.

    `matched_plate` is the plate that the reading is only like, as the rule or its list has it: the
    camera may have misread it. It is empty where the reading is what the rule asks for. `likeness`,
    over 0 and at most 1, is that of both; it is 1 without a `matched_plate`.

    `note` is for the one target that it is sent to: for whom that stands in, and why. It is not
    stored with the alert.
    """

    alert_id: str
    rule_id: str
    rule_name: str
    priority: Priority
    message: str
    captured_at: str
    created_at: str
    suppressed_count: int = 0
    late_seconds: float = 0.0
    event: Mapping[str, Any] = field(default_factory=dict)
    is_test: bool = False
    matched_plate: str = ""
    likeness: float = 1.0
    note: str = ""


class MessageKind(StrEnum):
    """What a message is: one alert, or several that go together."""

    SINGLE = "single"
    GROUP = "group"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Several alerts that go to a target as one message, the most urgent first."""

    kind: MessageKind
    alerts: tuple[Alert, ...]

    @property
    def priority(self) -> Priority:
        """The highest of its alerts."""
        return min((alert.priority for alert in self.alerts), key=lambda each: each.rank)


@dataclass(frozen=True, slots=True)
class Grouping:
    """Alerts for whose events the expressions `by` give the same go as one message.

    `by` are CEL expressions over the event. An alert waits so long for others, and one of high
    priority for `high_wait_seconds`.
    """

    by: tuple[str, ...]
    wait_seconds: float
    high_wait_seconds: float


@dataclass(frozen=True, slots=True)
class Terms:
    """How a target wants its alerts; by default each in a message of its own, at once.

    Where more than `digest_above` messages are due at once they go as one, a digest; 0 is never.
    Messages are at least `interval_seconds` apart; with digests, what has become due meanwhile goes
    as one. What a target refused, or what waits for one that is held for
    `fallback_after_seconds`, goes to the targets of the channel `fallback` too, if there is one.
    """

    grouping: Grouping | None = None
    digest_above: int = 0
    interval_seconds: float = 0.0
    fallback: str = ""
    fallback_after_seconds: float = 300.0


#: Each alert in a message of its own.
SINGLY: Final = Terms()


class Status(StrEnum):
    """How one try to send has ended."""

    SENT = "sent"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    MISCONFIGURED = "misconfigured"


class Reason(StrEnum):
    """Why a try has ended so: the `error_type` label of the failure metric."""

    OK = "ok"
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    UNPROCESSABLE = "unprocessable"
    REFUSED_STATUS = "refused_status"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    MESSAGE_REFUSED = "message_refused"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    UNCONFIRMED = "unconfirmed"
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"
    SERVER_ERROR = "server_error"
    SMTP_TEMPORARY = "smtp_temporary"
    SERVICE_ERROR = "service_error"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    PROXY_AUTHENTICATION = "proxy_authentication"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REDIRECT = "redirect"
    SMTP_AUTHENTICATION = "smtp_authentication"
    TLS = "tls"
    NAME_RESOLUTION = "name_resolution"
    LINK_LOCAL = "link_local"
    MISCONFIGURED = "misconfigured"
    UNKNOWN = "unknown"
    CHANNEL_REMOVED = "channel_removed"
    TARGET_REMOVED = "target_removed"
    RETRIES_EXHAUSTED = "retries_exhausted"
    HOLD_EXPIRED = "hold_expired"


#: Reasons of `MISCONFIGURED` that concern every message. The others (`unauthorized`, `forbidden`,
#: `not_found`, `method_not_allowed`, `unknown`) may be about one message: a firewall refuses a
#: single text with 403, say.
CERTAIN: Final[frozenset[Reason]] = frozenset(
    {
        Reason.PROXY_AUTHENTICATION,
        Reason.REDIRECT,
        Reason.SMTP_AUTHENTICATION,
        Reason.TLS,
        Reason.NAME_RESOLUTION,
        Reason.LINK_LOCAL,
        Reason.MISCONFIGURED,
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one try; `detail` is for people, and holds no secret.

    `retry_after_seconds` is how long the service asks to wait before the next try. `is_unsent` is
    true where the message was not sent at all, since such a pause is not over.

    With the reason `UNCONFIRMED` the whole message was sent and nothing was answered: it may have
    arrived, and another try may repeat it.

    `answer` is what the service said when it took the message, for people, and without secrets; it
    decides nothing. A target keeps it for a drill only.
    """

    status: Status
    reason: Reason
    detail: str = ""
    retry_after_seconds: float | None = None
    is_unsent: bool = False
    answer: str = field(default="", compare=False)


SENT = Outcome(Status.SENT, Reason.OK)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who gets what a target sends, and by what `means`: server and sender, or who signs.

    Both may hold secrets.
    """

    recipients: frozenset[RecipientKey] = field(repr=False)
    means: Hashable = field(default=(), repr=False)


class Target(Protocol):
    """One recipient of one channel: the unit of sending, retrying and holding.

    Its id, see `channels.targets.identity`, is made of its label and its audience.
    """

    @property
    def channel(self) -> str:
        """The channel's name, as rules' `notify` has it."""

    @property
    def label(self) -> str:
        """What people see: channel, service and address; without secrets, and not always unique.

        The same for every spelling of the recipient.
        """

    @property
    def is_address(self) -> bool:
        """Whether no target of another recipient has this label."""

    @property
    def audience(self) -> Audience:
        """Who gets what it sends."""

    @property
    def concurrency(self) -> int:
        """How many sends may run at once."""

    @property
    def knows_idempotency_key(self) -> bool:
        """Whether the service recognizes a repeated try by its key, and does not act twice."""

    @property
    def terms(self) -> Terms:
        """How it wants its alerts."""

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Try once, and return when the outcome is known; never raise.

        `idempotency_key` is the same for all tries of a delivery.
        """

    def send_several(self, bundle: Bundle, idempotency_key: str) -> Outcome:
        """The same for several alerts in one message."""

    def close(self) -> None:
        """Close connections."""
