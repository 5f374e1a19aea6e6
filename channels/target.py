"""An Apprise plugin with one recipient as a Target."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Final

from apprise import Apprise, NotifyBase
from apprise.common import NotifyFormat, NotifyType
from apprise.plugins.slack import NotifySlack
from requests.adapters import HTTPAdapter

from channels.alert import Alert, Outcome, Priority, Reason, Status
from channels.deadline import DEFAULT_TIMEOUT_SECONDS
from channels.fit import fit, room_of
from channels.outcomes import classify
from channels.pace import Pace
from channels.plugins import mail_key
from channels.redact import safe
from channels.render import Style, Urgency, render
from channels.sameness import Reach, plugin_reach
from channels.service import target_id
from channels.wire import Evidence, Failure, HttpReply, capture

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
        reach: Reach | None = None,
    ) -> None:
        """Mails show the event's time in `zone`; a send has ended after `timeout_seconds`.

        Only a mail server that is at work on a mail has longer. `urgency` tells the service the
        priority. `reach` is whom the plugin reaches, where it does not say so itself.
        """
        self._channel = channel
        self._target_id = target_id
        # Not the plugin alone: only Apprise turns a text into what each plugin takes.
        self._apprise = Apprise(plugin, asset=plugin.asset)
        #: See `channels.sameness`.
        self.reach: Final = reach or plugin_reach(plugin)
        self._plugin = plugin
        self._urgency = urgency
        # Slack's plugin escapes `<`, so that nothing behind it is a mention.
        self._room = room_of(plugin, has_brackets=not isinstance(plugin, NotifySlack))
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
        return safe(classify(is_accepted, evidence), alert)

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


# No address and no host holds it, so that no real target has this id.
_RECIPIENT: Final = "?"


def stand_in_id(channel: str) -> str:
    """The id of the target that stands for what can't be made of `channel`."""
    return target_id(channel, _RECIPIENT)


class MisconfiguredTarget:
    """Stands for those recipients of `channel` whose definition holds faults; it sends nothing.

    `detail` says what is wrong and what to do. Deliveries for it wait; once the definition is
    good, they pass to the channel's targets.
    """

    def __init__(self, channel: str, detail: str) -> None:
        self.channel: Final = channel
        self.target_id: Final = stand_in_id(channel)
        self.detail: Final = detail
        self.concurrency: Final = 1

    def __repr__(self) -> str:
        return f"MisconfiguredTarget({self.target_id!r})"

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Never sends; the outcome says why."""
        return Outcome(Status.MISCONFIGURED, Reason.MISCONFIGURED, self.detail)

    def close(self) -> None:
        """There is nothing to let go of."""
