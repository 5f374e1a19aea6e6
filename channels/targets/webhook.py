"""`WebhookTarget`: sends the alert and its event as JSON, signed where a secret is set."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from queue import Empty, Full, LifoQueue
from typing import Any, Final

import orjson
import requests

from channels.alert import SINGLY, Alert, Bundle, Outcome, Reason, Status, Terms
from channels.redact import redact_outcome
from channels.targets.audience import webhook_audience
from channels.wire.capture import Failure, read_answer
from channels.wire.deadline import DEFAULT_TIMEOUT_SECONDS, is_stale, within
from channels.wire.outcomes import classify_failure, classify_webhook
from engine.schema import instant_text

DEFAULT_CONCURRENCY: Final = 4
SIGNATURE_HEADER: Final = "X-Hub-Signature-256"
KEY_HEADER: Final = "Idempotency-Key"

Trust = bool | str
"""True for the system's authorities, False for any certificate, or the path of a CA file."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where and how to send; `secret` signs the body, `timeout_seconds` is for a whole send."""

    url: str = field(repr=False)
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    secret: str = field(default="", repr=False)
    concurrency: int = DEFAULT_CONCURRENCY
    trust: Trust = True
    allow_link_local: bool = False


class WebhookTarget:
    """A target at one URL, which takes alerts as JSON."""

    def __init__(
        self, channel: str, label: str, settings: WebhookSettings, terms: Terms = SINGLY
    ) -> None:
        self.channel: Final = channel
        self.terms: Final = terms
        self.label: Final = label
        #: The label has the host only, and the rest of the URL may be secret.
        self.is_address: Final = False
        self.settings: Final = settings
        self.concurrency: Final = settings.concurrency
        #: By the header `Idempotency-Key`.
        self.knows_idempotency_key: Final = True
        #: See `channels.targets.identity`.
        self.audience: Final = webhook_audience(
            settings.method, settings.url, settings.headers, settings.secret
        )
        # With the time of their last use.
        self._sessions: LifoQueue[tuple[requests.Session, float]] = LifoQueue(settings.concurrency)

    def __repr__(self) -> str:
        return f"WebhookTarget({self.label!r})"

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Try once; any 2xx is a success. The key is the same over all tries of a delivery."""
        return self._post(lambda: payload(alert), (alert,), idempotency_key)

    def send_several(self, bundle: Bundle, idempotency_key: str) -> Outcome:
        """The same for several alerts, whose key is that of their message."""
        return self._post(lambda: payload_of_several(bundle), bundle.alerts, idempotency_key)

    def _post(
        self, write: Callable[[], bytes], alerts: Sequence[Alert], idempotency_key: str
    ) -> Outcome:
        try:
            body = write()
        except (TypeError, ValueError):
            return Outcome(
                Status.REFUSED, Reason.MESSAGE_REFUSED, "the event can't be written as JSON"
            )
        session = self._session()
        settings = self.settings
        with within(
            settings.timeout_seconds, allow_link_local=settings.allow_link_local
        ) as deadline:
            try:
                outcome = self._send(session, body, idempotency_key)
            except Exception as error:  # noqa: BLE001 - it becomes the outcome
                # The connection may still hold a part of the answer.
                session.close()
                outcome = classify_failure(Failure("http", error, deadline.is_request_sent))
            else:
                self._keep(session)
        return redact_outcome(outcome, *alerts)

    def close(self) -> None:
        """Close the connections that are not in use."""
        while True:
            try:
                self._sessions.get_nowait()[0].close()
            except Empty:
                return

    def _send(self, session: requests.Session, body: bytes, idempotency_key: str) -> Outcome:
        settings = self.settings
        # Not prepared by the session: it would add cookies, and a login from `.netrc`.
        request = requests.Request(
            settings.method, settings.url, self._headers(body, idempotency_key), data=body
        ).prepare()
        environment: Mapping[str, Any] = session.merge_environment_settings(
            request.url, {}, True, settings.trust, None
        )
        # The session itself would read a redirect's body, however long.
        with session.get_adapter(settings.url).send(
            request, timeout=settings.timeout_seconds, **environment
        ) as response:
            return classify_webhook(read_answer(response))

    def _headers(self, body: bytes, idempotency_key: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "alert-engine",
            "Accept": "*/*",
        }
        given = {name.lower() for name in self.settings.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in given}
        headers.update(self.settings.headers)
        headers[KEY_HEADER] = idempotency_key
        if self.settings.secret:
            headers[SIGNATURE_HEADER] = signature(body, self.settings.secret)
        return headers

    def _session(self) -> requests.Session:
        try:
            session, used_at = self._sessions.get_nowait()
        except Empty:
            session = requests.Session()
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            return session
        if is_stale(used_at):
            # It stays usable, with a new connection.
            session.close()
        return session

    def _keep(self, session: requests.Session) -> None:
        try:
            self._sessions.put_nowait((session, time.monotonic()))
        except Full:
            session.close()


def payload(alert: Alert) -> bytes:
    """The alert and its whole event as JSON in UTF-8, byte for byte the same at every try.

    `{"alert": {"id", "rule_id", "rule_name", "priority", "message", "timestamp", "created_at",
    "suppressed_count", "late_seconds", "matched_plate", "likeness"}, "event": {…}}`. A drill has
    `"is_test": true` beside them. `matched_plate` is null where the reading is what was asked for.
    `note` stands there where it says for whom the target stands in.
    `timestamp` is as the event has it. All other instants are ISO 8601 in UTC with a `Z`; bytes
    become Base64. Raises TypeError or ValueError for an event that JSON can't hold.
    """
    return _json(_document(alert))


def payload_of_several(bundle: Bundle) -> bytes:
    """Several alerts as JSON: `{"alerts": [{"alert": {…}, "event": {…}}, …], "kind", "counts"}`.

    Each of `alerts` is as in `payload`, the most urgent first. `kind` is `group` or `digest`, and
    `counts` has the number of alerts by rule id. Raises as `payload` does.
    """
    counts = Counter(alert.rule_id for alert in bundle.alerts)
    alerts = [_document(alert) for alert in bundle.alerts]
    return _json({"alerts": alerts, "kind": str(bundle.kind), "counts": dict(counts)})


def _document(alert: Alert) -> dict[str, object]:
    facts: dict[str, object] = {
        "id": alert.alert_id,
        "rule_id": alert.rule_id,
        "rule_name": alert.rule_name,
        "priority": alert.priority.value,
        "message": alert.message,
        "timestamp": alert.captured_at,
        "created_at": alert.created_at,
        "suppressed_count": alert.suppressed_count,
        "late_seconds": alert.late_seconds,
        "matched_plate": alert.matched_plate or None,
        "likeness": alert.likeness,
    }
    if alert.is_test:
        facts["is_test"] = True
    if alert.note:
        facts["note"] = alert.note
    return {"alert": facts, "event": alert.event}


def _json(document: Mapping[str, object]) -> bytes:
    # Without the option, orjson writes +00:00 for Z.
    return orjson.dumps(document, default=_json_value, option=orjson.OPT_PASSTHROUGH_DATETIME)


def signature(body: bytes, secret: str) -> str:
    """`sha256=` and the hexadecimal HMAC-SHA256 of the body, as `X-Hub-Signature-256` has it."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def _json_value(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (frozenset, set)):
        return sorted(value, key=str)
    if isinstance(value, datetime):
        return instant_text(value)
    raise TypeError(type(value).__name__)
