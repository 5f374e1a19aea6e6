"""Puts alerts into a store, and looks at what waits in it, without an engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from engine.store import (
    Answer,
    Ask,
    Batch,
    Claim,
    DeliveryState,
    Mark,
    NewAlert,
    Past,
    Store,
    StoredDelivery,
    Turn,
)

OWNER = "a-test"
CLAIM_SECONDS = 60.0
_FOREVER_US = 1 << 62


def save(
    store: Store, alerts: Sequence[NewAlert], suppressed: Mapping[str, int] | None = None
) -> None:
    """Store alerts whatever the past; those that are stored already are skipped."""
    ids = [new.alert.alert_id for new in alerts]

    def decide(past: Past) -> Batch:
        fresh = [new for new in alerts if new.alert.alert_id not in past.stored]
        return Batch(fresh, suppressed or {})

    keys = {new.dedup_key for new in alerts if new.dedup_key is not None}
    store.stream.decide(Ask(ids, dict.fromkeys(keys, ())), decide)


def past(
    store: Store,
    alert_ids: Collection[str] = (),
    keys: Collection[str] = (),
    moments: Collection[tuple[int, int]] = ((0, _FOREVER_US),),
) -> Past:
    """What the store says of these alerts, and of each of these cooldown keys at each moment."""
    found: list[Past] = []

    def decide(past: Past) -> Batch:
        found.append(past)
        return Batch((), {})

    store.stream.decide(Ask(alert_ids, dict.fromkeys(keys, moments)), decide)
    return found[-1]


def deliveries(
    store: Store, target_id: str, state: DeliveryState = DeliveryState.WAITING
) -> list[StoredDelivery]:
    """The deliveries of a target in this state, the oldest first."""
    found = (each for stored in store.archive.alerts(100_000) for each in stored.deliveries)
    chosen = (each for each in found if (each.target_id, each.state) == (target_id, state))
    return sorted(chosen, key=lambda each: each.delivery_id)


def claim(store: Store, target_id: str, limit: int = 1_000, owner: str = OWNER) -> list[Claim]:
    """Claim what is due of a target, in order."""
    store.deliveries.register({target_id: (target_id.partition("/")[0], 1)})

    def work(turn: Turn) -> Answer[list[Claim]]:
        for state in turn.due_targets()():
            if state.target_id == target_id:
                turn.claim(state, limit, owner, CLAIM_SECONDS)
        return turn.claims()

    return store.deliveries.turn(work)()


def settle(
    store: Store, claims: Sequence[Claim], state: DeliveryState, reason: str = "", detail: str = ""
) -> None:
    """Write that this is what became of claimed deliveries, after one more try."""
    marks = [Mark(each, state, each.tries + 1, reason=reason, detail=detail) for each in claims]
    written = store.deliveries.turn(lambda turn: turn.mark(marks, OWNER)())
    assert len(written) == len(marks)


def finish(
    store: Store,
    target_id: str,
    state: DeliveryState,
    limit: int = 1_000,
    reason: str = "",
    detail: str = "",
) -> int:
    """Claim what is due of a target and write this state; returns how many there were."""
    claims = claim(store, target_id, limit)
    settle(store, claims, state, reason, detail)
    return len(claims)


def hold(store: Store, target_id: str, reason: str = "timeout", detail: str = "") -> None:
    """Hold a target, and let its probe be due in half a minute."""
    store.deliveries.register({target_id: (target_id.partition("/")[0], 1)})
    store.deliveries.hold(target_id, reason, detail)

    def work(turn: Turn) -> None:
        (state,) = turn.targets([target_id]).values()
        due_us = turn.now_us + 30_000_000
        turn.write_targets([replace(state, probe_at_us=due_us)])

    store.deliveries.turn(work)
