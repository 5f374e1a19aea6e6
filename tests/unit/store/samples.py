"""Alerts to store, and a store with a clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from channels.alert import Alert, Priority
from engine.store import (
    Ask,
    Batch,
    DeliveryState,
    Mark,
    NewAlert,
    OpenMode,
    Store,
    Turn,
    open_store,
)
from engine.stream.record import DeadLetter, DeadLetterType, Record

DAY_SECONDS = 86_400.0
START_SECONDS = 1_766_678_400.0


@dataclass
class Clock:
    """Seconds since the epoch that move only when told."""

    seconds: float = START_SECONDS

    def __call__(self) -> float:
        return self.seconds

    @property
    def us(self) -> int:
        return int(self.seconds * 1e6)


@dataclass
class Samples:
    """Makes alerts, each with an event of its own."""

    made: int = 0
    event: dict[str, Any] = field(default_factory=lambda: {"plate": {"text": "ÄB 12"}, "x": 0.9})

    def new(
        self,
        *targets: str,
        key: str | None = None,
        time_us: int = int(START_SECONDS * 1e6),
        priority: Priority = Priority.MEDIUM,
        rule_id: str = "a_rule",
        is_expired: bool = False,
    ) -> NewAlert:
        """An alert for `targets`; a target "mail/ann" belongs to the channel "mail"."""
        self.made += 1
        return NewAlert(
            alert=Alert(
                alert_id=f"alert-{self.made:05}",
                rule_id=rule_id,
                rule_name="A rule",
                priority=priority,
                message=f"message {self.made}",
                captured_at="2025-12-25T16:00:00Z",
                created_at="2025-12-25T16:00:01Z",
                suppressed_count=3,
                late_seconds=1.25,
                event=self.event,
                matched_plate="ÄB 1?",
                likeness=1 - 20 / 600,
            ),
            digest=blake2b(str(self.made).encode(), digest_size=16).digest(),
            dedup_key=key,
            time_us=time_us,
            targets=tuple((target.partition("/")[0], target) for target in targets),
            is_expired=is_expired,
            topic="plates",
            partition=2,
            offset=self.made,
        )


def state_url(folder: Path) -> str:
    """The URL of a SQLite store in `folder`."""
    return f"sqlite:///{folder / 'alerts.db'}"


def open_sample(
    folder: Path, mode: OpenMode = OpenMode.ENGINE, options: str = "", clock: Clock | None = None
) -> Store:
    """A SQLite store in `folder` that waits a tenth of a second for locks."""
    return open_store(
        state_url(folder) + options, mode, clock=clock or Clock(), busy_timeout_seconds=0.1
    )


def add(store: Store, *alerts: NewAlert) -> None:
    """Store alerts, and that two matches of a key were suppressed."""
    store.stream.decide(Ask((), {}), lambda past: Batch(alerts, {"key": 2}))


def fill(store: Store, samples: Samples) -> None:
    """Something of everything: waiting, sent and dead deliveries, a hold, counts, a dead letter."""
    targets = ("mail/ann", "mail/bob", "hook/a")
    store.deliveries.register({each: (each.partition("/")[0], 1) for each in targets})
    add(store, *(samples.new(*targets, key=f"car {number}") for number in range(5)))

    def work(turn: Turn) -> None:
        target = turn.targets(["hook/a"])["hook/a"]
        turn.claim(target, 2, "engine", 60.0)
        claims = turn.claims()()
        states = (DeliveryState.SENT, DeliveryState.DEAD)
        turn.mark(
            [Mark(claim, each, 1) for claim, each in zip(claims, states, strict=True)], "engine"
        )

    store.deliveries.turn(work)
    store.deliveries.hold("mail/bob", "unauthorized", "535 no")
    record = Record("plates", 0, 7, 1_766_678_400_000, b"key", b"\0\xffvalue", (("name", None),))
    store.letters.keep([DeadLetter(record, DeadLetterType.UNKNOWN, "why", "trace", 1)])
    store.deliveries.keep_time(0)
