"""What a channel takes, an `Alert`, and what it answers, an `Outcome`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Priority(StrEnum):
    """How urgent an alert is; `rank` orders deliveries, most urgent first."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        return tuple(Priority).index(self)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, rendered.

    Times are ISO 8601 text; `captured_at` is as the event has it, `created_at` UTC with a `Z`.
    `late_seconds` is how long after the event's instant the alert was made.
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


class Status(StrEnum):
    """What became of one try to send."""

    SENT = "sent"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    MISCONFIGURED = "misconfigured"


class Reason(StrEnum):
    """Why a try ended as it did: the `error_type` label of the failure metric."""

    OK = "ok"
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    UNPROCESSABLE = "unprocessable"
    REFUSED_STATUS = "refused_status"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    MESSAGE_REFUSED = "message_refused"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
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
    MISCONFIGURED = "misconfigured"
    UNKNOWN = "unknown"
    CHANNEL_REMOVED = "channel_removed"
    RETRIES_EXHAUSTED = "retries_exhausted"
    HOLD_EXPIRED = "hold_expired"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one try; `detail` is for people and holds no secret.

    `is_unsent`: the message was not sent at all, for the service has asked for a pause before that
    lasts for `retry_after_seconds` more.
    """

    status: Status
    reason: Reason
    detail: str = ""
    retry_after_seconds: float | None = None
    is_unsent: bool = False


SENT = Outcome(Status.SENT, Reason.OK)


class Target(Protocol):
    """One recipient of one channel: the unit of sending, retrying and holding."""

    @property
    def channel(self) -> str:
        """The channel's name, as rules' `notify` has it."""

    @property
    def target_id(self) -> str:
        """Stable over restarts, unique over all channels, and without secrets."""

    @property
    def concurrency(self) -> int:
        """How many sends may run at once."""

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Try once, block until it is known what happened; never raise."""

    def close(self) -> None:
        """Let go of connections."""
