"""Sends stored deliveries: one claimer, a pool of workers, and the targets in use.

All threads of delivery start here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from channels.alert import Target
from engine.clock import Clock
from engine.delivery.claimer import Claimer
from engine.delivery.judge import RetryPolicy
from engine.delivery.parts import Parts, Wait
from engine.delivery.targets import Targets
from engine.delivery.upkeep import Upkeep
from engine.health import Heartbeat
from engine.metrics import Metrics
from engine.store import Deliveries, FreshAlert, Hold

log = structlog.get_logger(__name__)


class Dispatcher:
    """Delivers what waits in the store through `targets`, by target id.

    Its methods may be called from any thread and never wait for a channel or, but for `stop`, for
    the store. A target is closed when it is replaced, removed or the dispatcher stops, as soon as
    its last send has ended.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        targets: Mapping[str, Target],
        policy: RetryPolicy,
        metrics: Metrics,
        clock: Clock,
        *,
        owner: str,
        workers: int = 16,
        claim_seconds: float = 60.0,
        hold_seconds: float = 86_400.0,
        switched_off: Collection[str] = (),
        former_ids: Mapping[str, str] | None = None,
        replicas_agree: Callable[[], bool] = lambda: True,
        kill_point: Callable[[str], None] = lambda name: None,
        wait: Wait = threading.Condition.wait,
    ) -> None:
        """`owner` names this run of this process in its claims, which are good for `claim_seconds`.

        At most `workers` sends are in flight. `hold_seconds` bounds how long a delivery waits where
        nothing is sent: its target is held, or its channel misconfigured or among `switched_off`.
        `former_ids` has the targets' ids by those that the version before has stored. What waits
        for a target that is gone is settled while `replicas_agree` on the rules.

        `kill_point` is called with `send` just before a send, with `sent` just after it and with
        `mark` once its outcome is stored. `wait` is how to wait by `clock`.
        """
        parts = Parts(
            deliveries,
            Targets(targets, switched_off),
            policy,
            metrics,
            clock.monotonic,
            wait,
            owner,
            workers,
            claim_seconds,
            hold_seconds,
            former_ids or {},
            replicas_agree,
            kill_point,
        )
        self._targets = parts.targets
        self._upkeep = Upkeep(parts)
        self._claimer = Claimer(parts, self._upkeep)
        # A daemon, because a send that hangs must not keep the process from ending.
        self._thread = threading.Thread(
            target=self._claimer.work, name="delivery-claimer", daemon=True
        )

    def start(self) -> None:
        """Begin to deliver; what waits in the store is sent, and held targets are probed."""
        self._thread.start()

    def wake(self, fresh: Iterable[FreshAlert]) -> None:
        """These alerts were stored: send their deliveries."""
        self._claimer.workers.note_read(fresh)
        self._claimer.wake()

    def add_targets(self, targets: Mapping[str, Target]) -> None:
        """Use these targets too; to be called before the first alert for a new one is stored."""
        self._targets.add(targets)
        self._upkeep.note_change(is_reload=False)
        self._claimer.wake()

    def use(self, targets: Mapping[str, Target], switched_off: Collection[str] = ()) -> None:
        """Use these targets, and no others, from now on; those that are held are probed at once.

        What waits for targets that are gone passes to those that took their place, if any.
        """
        self._targets.use(targets, switched_off)
        self._upkeep.note_change(is_reload=True)
        self._claimer.wake()

    def held(self) -> tuple[Hold, ...]:
        """The targets that are held now, and why; as of a second ago at most."""
        return self._upkeep.held

    @property
    def heartbeat(self) -> Heartbeat:
        """The heartbeat of the claimer's thread."""
        return self._claimer.heartbeat

    def stop_sending(self) -> None:
        """Start no further send; those in flight go on."""
        self._claimer.stop()
        self._targets.close()

    def stop(self, timeout_seconds: float) -> None:
        """Start no further send, and wait for those in flight, at most `timeout_seconds`.

        The seconds are real ones. What is not sent by then goes on waiting in the store.
        """
        self.stop_sending()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            log.warning("delivery.unfinished", sends=self._claimer.in_flight)
