"""An Apprise plugin with one recipient as a Target."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Final

from apprise import Apprise, NotifyBase
from apprise.common import NotifyFormat, NotifyType
from apprise.plugins.slack import NotifySlack
from requests.adapters import HTTPAdapter

from channels.alert import Alert, Outcome, Priority
from channels.message.fit import bounds_of, fit
from channels.message.render import Style, render
from channels.plugins.plugin import mail_key
from channels.plugins.urgency import Urgency
from channels.redact import redact_outcome
from channels.targets.identity import Audience, plugin_audience
from channels.wire.capture import Evidence, Failure, HttpReply, capture
from channels.wire.deadline import DEFAULT_TIMEOUT_SECONDS
from channels.wire.outcomes import classify

MAX_INTERVAL_SECONDS: Final = 2.0
_TYPES: Final = {
    Priority.HIGH: NotifyType.FAILURE,
    Priority.MEDIUM: NotifyType.WARNING,
    Priority.LOW: NotifyType.INFO,
}

Now = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class AppriseTarget:
    """One recipient behind Apprise.

    Sends one at a time, since plugins keep state: a second caller waits. Services with a rate
    limit are sent at most a few messages at once, then one an interval of at most two seconds;
    mail goes without a pause.
    """

    def __init__(
        self,
        channel: str,
        target_id: str,
        plugin: NotifyBase,
        style: Style,
        clock: Now = _utc_now,
        *,
        zone: tzinfo = UTC,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        urgency: Urgency | None = None,
        reach: Audience | None = None,
    ) -> None:
        """Mails show the event's time in `zone`; a send has ended after `timeout_seconds`.

        Only a mail server that is at work on a mail has longer. `urgency` tells the service the
        priority. `reach` is whom the plugin reaches, where it does not say so itself.
        """
        self._channel = channel
        self._target_id = target_id
        # Not the plugin alone: only Apprise turns a text into what each plugin takes.
        self._apprise = Apprise(plugin, asset=plugin.asset)
        #: See `channels.targets.identity`.
        self.reach: Final = reach or plugin_audience(plugin)
        self._plugin = plugin
        self._urgency = urgency
        # Slack's plugin escapes `<`, so that nothing behind it is a mention.
        self._room = bounds_of(plugin, has_brackets=not isinstance(plugin, NotifySlack))
        self._style = style
        self._clock = clock
        self._zone = zone
        self._timeout_seconds = timeout_seconds
        self._pace = Pace(_interval_seconds(plugin, style))
        self._adapter = HTTPAdapter(pool_connections=4, pool_maxsize=1)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"AppriseTarget({self._target_id!r})"

    @property
    def channel(self) -> str:
        """The channel's name."""
        return self._channel

    @property
    def target_id(self) -> str:
        """Channel, service and recipient; no secret."""
        return self._target_id

    @property
    def style(self) -> Style:
        """The kind of channel that alerts are rendered for."""
        return self._style

    @property
    def concurrency(self) -> int:
        """Always one."""
        return 1

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Try once; the key is that of a mail, the same for every try."""
        with self._lock:
            self._pace.wait()
            with (
                mail_key(idempotency_key),
                capture(self._adapter, self._timeout_seconds, str(alert.message)) as evidence,
            ):
                try:
                    is_accepted = self._notify(alert)
                except Exception as error:  # noqa: BLE001 - the outcome tells
                    is_accepted = False
                    _add_failure(evidence, error)
        return redact_outcome(classify(is_accepted, evidence), alert)

    def _notify(self, alert: Alert) -> bool:
        now = self._clock()
        message = fit(
            self._plugin,
            lambda room: render(alert, self._style, now, self._zone, room),
            self._room,
            alert.message,
        )
        if self._urgency is not None:
            self._urgency.apply(self._plugin, alert.priority)
        result = self._apprise.notify(
            body=message.body,
            title=message.title,
            notify_type=_TYPES[alert.priority],
            # Without it Apprise takes data for the service's own markup.
            body_format=NotifyFormat(message.format.value),
        )
        return bool(result)

    def close(self) -> None:
        """End a pause, and close the connections."""
        self._pace.stop()
        self._adapter.close()


def _add_failure(evidence: list[Evidence], error: Exception) -> None:
    """What the plugin raised counts only where the wire does not tell more."""
    last = evidence[-1] if evidence else None
    if last is None or (isinstance(last, HttpReply) and last.status < 300):
        evidence.append(Failure("plugin", error))


def _interval_seconds(plugin: NotifyBase, style: Style) -> float:
    if style is Style.EMAIL:
        return 0.0
    rate: object = type(plugin).request_rate_per_sec
    # Some plugins compute theirs.
    return min(float(rate), MAX_INTERVAL_SECONDS) if isinstance(rate, (int, float)) else 1.0


BURST: Final = 5


class Pace:
    """A token bucket: `BURST` sends at once, refilled by one every `interval_seconds`.

    Not thread-safe: its target sends one at a time. `stop` ends a wait, and all later ones.
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
        """Return when the next send is due, at once where there is no interval."""
        delay = self.delay_seconds()
        if delay > 0.0:
            self._stopped.wait(delay)
        self._full_at = max(self._full_at, self._timer()) + self._interval_seconds

    def delay_seconds(self) -> float:
        """How long the next send has to wait."""
        ahead = self._full_at - self._timer()
        return max(0.0, ahead - (BURST - 1) * self._interval_seconds)

    def stop(self) -> None:
        """Wait no more."""
        self._stopped.set()
