"""`AppriseTarget`: sends alerts to one recipient through an Apprise plugin."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from apprise import Apprise, NotifyBase
from apprise.common import NotifyFormat, NotifyType
from apprise.plugins.slack import NotifySlack
from requests.adapters import HTTPAdapter

from channels.alert import SINGLY, Alert, Audience, Bundle, Outcome, Priority, Terms
from channels.fit import bounds_of, fit
from channels.plugins.plugin import Urgency, mail_key, mail_server
from channels.redact import redact_outcome
from channels.render import Message, Style, render
from channels.several import lines_of, render_several, title_of
from channels.targets.audience import plugin_audience
from channels.wire.capture import Evidence, Failure, HttpReply, capture
from channels.wire.deadline import DEFAULT_TIMEOUT_SECONDS, is_stale
from channels.wire.mail_connections import CONNECTIONS
from channels.wire.outcomes import classify
from channels.wire.services import service_of

MAX_INTERVAL_SECONDS: Final = 2.0
#: How many messages a service with a rate limit is sent at once.
BURST: Final = 5
_TYPES: Final = {
    Priority.HIGH: NotifyType.FAILURE,
    Priority.MEDIUM: NotifyType.WARNING,
    Priority.LOW: NotifyType.INFO,
}

Now = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class TokenBucket:
    """Limits the rate of sends: `BURST` at once, then one every `interval_seconds`.

    Not thread-safe, since its target sends one at a time.
    """

    def __init__(
        self, interval_seconds: float, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_seconds = interval_seconds
        self._timer = timer
        # When the bucket would be full again.
        self._full_at = timer()
        self._stopped = threading.Event()

    def wait(self) -> None:
        """Block until the next send is due, and take its token."""
        delay = self.delay_seconds()
        if delay > 0.0:
            self._stopped.wait(delay)
        self._full_at = max(self._full_at, self._timer()) + self._interval_seconds

    def delay_seconds(self) -> float:
        """How long the next send would have to wait."""
        ahead = self._full_at - self._timer()
        return max(0.0, ahead - (BURST - 1) * self._interval_seconds)

    def stop(self) -> None:
        """End the wait that is going on, and every later one at once."""
        self._stopped.set()


class AppriseTarget:
    """A target that sends through an Apprise plugin.

    It sends one message at a time, since plugins keep state: a second caller waits. A service with
    a rate limit gets `BURST` messages at once, then one an interval of at most
    `MAX_INTERVAL_SECONDS`; mail has no limit.
    """

    def __init__(
        self,
        channel: str,
        label: str,
        plugin: NotifyBase,
        style: Style,
        clock: Now = _utc_now,
        *,
        zone: tzinfo = UTC,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        allow_link_local: bool = False,
        urgency: Urgency | None = None,
        audience: Audience | None = None,
        is_address: bool = False,
        former_name: str = "",
        terms: Terms = SINGLY,
    ) -> None:
        """`plugin` has one recipient, and `style` decides how alerts are rendered for it.

        Mails show times in `zone`. A send lasts at most `timeout_seconds`; only a mail server that
        has received the whole mail has longer. It connects to no link-local or metadata address,
        unless that is allowed. `urgency` gives the service the alert's priority.
        `audience` is by default what the plugin itself says. `is_address` is for a label that no
        other recipient has; `former_name` is what version 1 called the target, if not by its label.
        """
        self.channel: Final = channel
        self.terms: Final = terms
        self.label: Final = label
        self.is_address: Final = is_address
        self.former_name: Final = former_name or label
        # Only Apprise converts a text into the format that each plugin takes.
        self._apprise = Apprise(plugin, asset=plugin.asset)
        #: See `channels.targets.identity`.
        self.audience: Final = audience or plugin_audience(plugin)
        self._plugin = plugin
        self._service = service_of(plugin)
        self._urgency = urgency
        # Slack's plugin escapes `<`, so that nothing behind it is a mention.
        self._bounds = bounds_of(plugin, has_brackets=not isinstance(plugin, NotifySlack))
        self.style: Final = style
        #: A plugin is used by one thread at a time.
        self.concurrency: Final = 1
        self.knows_idempotency_key: Final = False
        self._clock = clock
        self._zone = zone
        self._timeout_seconds = timeout_seconds
        self._allow_link_local = allow_link_local
        # A plugin's own waits are shorter, and are over while a slow service still takes the
        # message. They are set here, after the audience, which is read from the plugin's URL.
        plugin.socket_connect_timeout = plugin.socket_read_timeout = timeout_seconds
        self._bucket = TokenBucket(_interval_seconds(plugin, style))
        self._adapter = HTTPAdapter(pool_connections=4, pool_maxsize=1)
        self._used_at = time.monotonic()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"AppriseTarget({self.label!r})"

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Try once; a mail has the key in its Message-ID, so that every try has the same."""
        return self._try(
            lambda now: self.message(alert, now),
            alert.priority,
            str(alert.message),
            (alert,),
            idempotency_key,
        )

    def send_several(self, bundle: Bundle, idempotency_key: str) -> Outcome:
        """The same for several alerts in one message."""
        return self._try(
            lambda now: self.message_of_several(bundle, now),
            bundle.priority,
            title_of(bundle),
            bundle.alerts,
            idempotency_key,
        )

    def _try(
        self,
        render_at: Callable[[datetime], Message],
        priority: Priority,
        text: str,
        alerts: Sequence[Alert],
        idempotency_key: str,
    ) -> Outcome:
        """Try once to send these alerts; `text` is a part of the message."""
        with self._lock:
            self._bucket.wait()
            if is_stale(self._used_at):
                self._adapter.close()
            with (
                mail_key(idempotency_key),
                capture(
                    self._adapter,
                    self._timeout_seconds,
                    text,
                    allow_link_local=self._allow_link_local,
                ) as evidence,
            ):
                try:
                    is_accepted = self._notify(render_at(self._clock()), priority)
                except Exception as error:  # noqa: BLE001 - it becomes the outcome
                    is_accepted = False
                    _add_failure(evidence, error)
            self._used_at = time.monotonic()
        return redact_outcome(classify(is_accepted, evidence, self._service), *alerts)

    def close(self) -> None:
        """End a wait, and close the connections."""
        self._bucket.stop()
        self._adapter.close()
        if (server := mail_server(self._plugin)) is not None:
            CONNECTIONS.close(server)

    def message(self, alert: Alert, now: datetime) -> Message:
        """The alert as it is sent at `now`."""
        return fit(
            self._plugin,
            lambda bounds: render(alert, self.style, now, self._zone, bounds),
            self._bounds,
            alert.message,
        )

    def message_of_several(self, bundle: Bundle, now: datetime) -> Message:
        """Several alerts as they are sent at `now`."""
        return fit(
            self._plugin,
            lambda bounds: render_several(
                bundle, self.style, now, self._zone, bounds, channel=self.channel
            ),
            self._bounds,
            "\n".join(lines_of(bundle, self._zone)),
        )

    def _notify(self, message: Message, priority: Priority) -> bool:
        if self._urgency is not None:
            self._urgency.apply(self._plugin, priority)
        result = self._apprise.notify(
            body=message.body,
            title=message.title,
            notify_type=_TYPES[priority],
            # Without it, Apprise takes the text for the service's own markup.
            body_format=NotifyFormat(message.format.value),
        )
        return bool(result)


def _add_failure(evidence: list[Evidence], error: Exception) -> None:
    """Add what the plugin raised, unless an answer that is an error is there already."""
    last = evidence[-1] if evidence else None
    if last is None or (isinstance(last, HttpReply) and last.status < 300):
        evidence.append(Failure("plugin", error))


def _interval_seconds(plugin: NotifyBase, style: Style) -> float:
    if style is Style.EMAIL:
        return 0.0
    rate: object = type(plugin).request_rate_per_sec
    # A plugin that computes its rate has a property here.
    return min(float(rate), MAX_INTERVAL_SECONDS) if isinstance(rate, (int, float)) else 1.0
