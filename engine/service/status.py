"""What runs on a store, what waits there, and what of it is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.store import CameraState, Hold, Instance, SilenceState, Store, Waiting
from engine.store.instances import is_running

DAY_US: Final = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    """The dead letters that the store keeps: how many, and their size."""

    count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Status:
    """What a store tells at one moment; times are microseconds since the epoch, by its clock.

    `replicas` are the engines that run, `lost` those that were seen within a day and did not stop
    in order, both the oldest first. `dead` counts what died within a day, by channel.
    `active_silences` is the number of silences that hold something back now. `cameras` are those
    that must not be silent.
    """

    now_us: int
    replicas: Sequence[Instance]
    lost: Sequence[Instance]
    held: Sequence[Hold]
    waiting: Sequence[Waiting]
    dead: Mapping[str, int]
    dead_letters: DeadLetterCount
    active_silences: int
    cameras: Sequence[CameraState]
    url: str
    engine: str
    rows: Mapping[str, int]

    @property
    def rule_sets_differ(self) -> bool:
        """Whether the engines that run have different rules."""
        return len({each.rules_digest for each in self.replicas}) > 1

    @property
    def most_at_once(self) -> int:
        """How many engines ran at the same time within the last day."""
        ran = [*self.replicas, *self.lost]
        starts = [each.started_us for each in ran]
        return max(
            (sum(each.started_us <= at <= each.seen_us for each in ran) for at in starts), default=0
        )

    @property
    def problems(self) -> list[str]:
        """What is wrong, each with its remedy."""
        found = []
        if not self.replicas:
            found.append("no engine runs on this store: start one, and look at its last log lines")
        if self.rule_sets_differ:
            found.append(
                "the engines have different rules: give all the same rule files, watchlists and "
                "variables"
            )
        if len(self.replicas) == 1 < self.most_at_once:
            found.append(
                f"one engine is left of {self.most_at_once} that ran at once within a day: start "
                "the others"
            )
        if self.held:
            word = "target is" if len(self.held) == 1 else "targets are"
            found.append(f"{len(self.held)} {word} held: see the reason, and correct it")
        return found


def read_status(store: Store) -> Status:
    """Read the status of a store; StoreUnavailableError where it can't be reached."""
    now_us = store.deliveries.now_us()
    instances = store.instances.all()
    rows = store.archive.rows()
    letters = DeadLetterCount(rows["dead_letters"], store.letters.size_bytes())
    return Status(
        now_us=now_us,
        replicas=[each for each in instances if is_running(each, now_us)],
        lost=[each for each in instances if not is_running(each, now_us)],
        held=store.deliveries.held(),
        waiting=store.archive.waiting(),
        dead=store.archive.dead(now_us - DAY_US),
        dead_letters=letters,
        active_silences=sum(
            each.state_at(now_us) is SilenceState.ACTIVE for each in store.silences.all()
        ),
        cameras=store.cameras.all(),
        url=store.url_shown,
        engine=store.archive.engine(),
        rows=rows,
    )
