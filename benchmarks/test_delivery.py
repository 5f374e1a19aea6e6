"""Deliveries a second for each kind of channel: from the store, over the wire, marked as sent.

The receivers run in a process of their own. A webhook is one target of four connections that are
kept alive; mails (STARTTLS, AUTH) go over one that is kept. Slack and Twilio ask for pauses
(1.2 and 0.2 s) once a target has sent five messages at once, so twenty targets send four each here:
what the engine can do, not what the services allow. Webhooks are measured on both stores, the rest
on SQLite.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from benchmarks.measure import Measurement
from benchmarks.receivers import SMTP_PASSWORD, SMTP_USERNAME, ReceiverProcess, Receivers
from benchmarks.stored_alerts import new_alerts
from benchmarks.stores import StoreKind, Stores
from benchmarks.watched_target import WatchedTarget
from channels.alert import Alert, Outcome, Status, Target
from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from channels.targets.identity import identify
from engine.clock import SystemClock
from engine.delivery import Dispatcher, RetryPolicy
from engine.metrics import Metrics
from engine.store import open_store
from tests.support.stored import save

SECTION = "8 deliveries"
ROUNDS = 3
STOP_SECONDS = 10.0
PATIENCE_SECONDS = 60.0
TARGETS = 20
ACCOUNT, TOKEN = "AC" + "0" * 32, "1" * 32
SLACK = "https://hooks.slack.com/services/T00000000/B00000000/" + "X" * 24


@pytest.fixture(scope="module")
def receivers() -> Iterator[Receivers]:
    """All far ends; our own requests find them by the environment."""
    with ReceiverProcess() as receivers, pytest.MonkeyPatch.context() as patch:
        for name, value in receivers.environment.items():
            patch.setenv(name, value)
        yield receivers


def email_block(receivers: Receivers) -> dict[str, Any]:
    return {
        "enabled": True,
        "smtp_host": "localhost",
        "smtp_port": receivers.smtp_port,
        "username": SMTP_USERNAME,
        "password": SMTP_PASSWORD,
        "recipients": ["guard@example.com"],
        "digest_above": "off",
    }


def twilio_block() -> dict[str, Any]:
    return {
        "enabled": True,
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": TOKEN,
        "from_number": "+15550199999",
        "to_numbers": [f"+155501000{number:02}" for number in range(TARGETS)],
        "digest_above": "off",
    }


def slack_targets() -> tuple[Target, ...]:
    return tuple(
        target
        for number in range(TARGETS)
        for target in notification_targets(
            "slack",
            {
                "enabled": True,
                "webhook_url": SLACK,
                "channel": f"#gate-{number}",
                "digest_above": "off",
            },
            {},
        ).checked()
    )


def targets_of(kind: str, receivers: Receivers) -> Sequence[Target]:
    match kind:
        case "webhook over HTTP":
            return entry_targets("http", receivers.http_url, {}).checked()
        case "webhook over HTTPS":
            return entry_targets("https", receivers.https_url, {}).checked()
        case "email":
            return notification_targets("email", email_block(receivers), {}).checked()
        case "Twilio":
            return notification_targets("sms", twilio_block(), {}).checked()
    return slack_targets()


class Tally:
    """How many sends are still to come."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self._done = threading.Event()

    def note(self, alert: Alert, outcome: Outcome) -> None:
        """One more is sent."""
        assert outcome.status is Status.SENT, outcome
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._done.set()

    def wait(self) -> None:
        """Return when all are sent."""
        assert self._done.wait(PATIENCE_SECONDS), f"{self._left} are not sent"


@dataclasses.dataclass(frozen=True, slots=True)
class Round:
    """A dispatcher before a store full of deliveries."""

    dispatcher: Dispatcher
    tally: Tally
    stack: ExitStack

    def run(self) -> None:
        """Send all of them."""
        self.dispatcher.start()
        self.tally.wait()

    def close(self) -> None:
        """Stop and close."""
        self.stack.close()


def prepare(url: str, targets: Sequence[Target], alerts: int) -> Round:
    """A store at this URL with so many alerts, each for every target."""
    stack = ExitStack()
    store = stack.enter_context(open_store(url))
    by_id = identify(targets, b"")
    routes = [(target.channel, target_id) for target_id, target in by_id.items()]
    save(store, new_alerts(alerts, routes))
    tally = Tally(alerts * len(targets))
    counted: Mapping[str, Target] = {
        target_id: WatchedTarget(target, after=tally.note) for target_id, target in by_id.items()
    }
    dispatcher = Dispatcher(
        store.deliveries, counted, RetryPolicy(), Metrics(), SystemClock(), owner="a-benchmark"
    )
    stack.callback(dispatcher.stop, STOP_SECONDS)
    return Round(dispatcher, tally, stack)


@pytest.mark.parametrize("kind", ["webhook over HTTP", "webhook over HTTPS"])
def test_webhooks(measure: Measurement, receivers: Receivers, stores: Stores, kind: str) -> None:
    measure_deliveries(measure, receivers, stores, kind, 1_000)


@pytest.mark.parametrize("stores", [StoreKind.SQLITE], indirect=True)
@pytest.mark.parametrize(("kind", "alerts"), [("email", 60), ("Slack", 4), ("Twilio", 4)])
def test_services(
    measure: Measurement, receivers: Receivers, stores: Stores, kind: str, alerts: int
) -> None:
    measure_deliveries(measure, receivers, stores, kind, alerts)


def measure_deliveries(
    measure: Measurement, receivers: Receivers, stores: Stores, kind: str, alerts: int
) -> None:
    count = alerts * len(targets_of(kind, receivers))

    def round_of() -> tuple[Round]:
        return (prepare(stores.new_url(), targets_of(kind, receivers), alerts),)

    group = f"{kind}, {count} deliveries"
    seconds = measure.rounds(group, Round.run, ROUNDS, round_of, Round.close)
    measure.tell(SECTION, f"{kind}, {stores.kind}", count / seconds, "deliveries/s")
