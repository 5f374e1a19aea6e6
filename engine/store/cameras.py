"""Cameras: when each was seen, whether it is silent, and for how long the stream was watched.

Readings are noted by every engine, and judged by one of them at a time, the judge. Silence is
measured in watched time: it grows only while the stream is read up to its end, and is kept here, so
that an outage of ours makes no camera silent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.store import statements
from engine.store.database import Connection, Transaction
from engine.store.instances import LOST_SECONDS
from engine.store.model import Batch, NewAlert, Past, searched
from engine.store.stream import insert_batch

#: For so long an engine stays the judge after its last round.
JUDGE_SECONDS: Final = 15.0
#: No judge's time ends later, unless the clock was set back.
_LONGEST_JUDGE_SECONDS: Final = 60.0
_NOTHING: Final = Past((), {}, {})


@dataclass(frozen=True, slots=True)
class CameraState:
    """One camera; times are microseconds since the epoch by the store's clock.

    It is known since `known_us`, and was seen last at `seen_us`, the Kafka time of its last
    reading; 0 for none. `watched_us` is the watched time at which that was noted. `silent_us` is
    when it was reported as silent, and `since_us` since when it is; both are 0 while it is not.
    `is_seen` says that it was seen since it was last reported.
    """

    camera_id: str
    known_us: int
    seen_us: int
    watched_us: int
    is_seen: bool
    silent_us: int
    since_us: int

    @property
    def last_us(self) -> int:
        """When it was seen last, or known first."""
        return self.seen_us or self.known_us


@dataclass(frozen=True, slots=True)
class Watched:
    """For how long the stream was watched, in microseconds.

    `lost_us` is what that was when an engine was killed last, whose latest readings are lost.
    """

    watched_us: int = 0
    lost_us: int = 0


@dataclass(frozen=True, slots=True)
class CameraReport:
    """What is to be stored of a camera, with its alert: it is silent, or it is back."""

    state: CameraState
    is_silent: bool
    alert: NewAlert


class Cameras:
    """The cameras that are watched."""

    def __init__(self, alerts: Connection, writer: Connection, reader: Connection) -> None:
        """`alerts` is for what must outlive a power cut."""
        self._alerts = alerts
        self._writer = writer
        self._reader = reader

    def all(self) -> list[CameraState]:
        """Every camera, by its id."""
        found = []
        for row in self._reader.rows(statements.CAMERAS):
            camera_id, known_us, seen_us, watched_us, is_seen, silent_us, since_us = row
            found.append(
                CameraState(
                    camera_id, known_us, seen_us, watched_us, bool(is_seen), silent_us, since_us
                )
            )
        return found

    def watched(self) -> Watched:
        """For how long the stream was watched."""
        row = self._reader.row(statements.CAMERA_WATCH)
        return Watched(row[0], row[1]) if row else Watched()

    def note(self, instance_id: str, seen: Mapping[str, int]) -> None:
        """This engine has seen these cameras since its last note; the values are when, in µs.

        A time that the store's clock has not reached counts as now, and so does 0.
        """
        # Sorted, so that two engines never wait for each other's rows.
        cameras = sorted(seen.items())

        def work(transaction: Transaction) -> None:
            now_us = transaction.now_us
            transaction.run_many(
                statements.NOTE_SEEN,
                [
                    {
                        "camera_id": camera_id,
                        "seen_us": seen_us if 0 < seen_us <= now_us else now_us,
                        "now_us": now_us,
                    }
                    for camera_id, seen_us in cameras
                ],
            )
            transaction.run(statements.COUNT_NOTES, {"instance_id": instance_id})

        self._writer.transact(work)

    def notes(self, instance_id: str) -> dict[str, int] | None:
        """How often each engine that runs has noted what it has seen, by instance id.

        None while they have different rules: another may not note what these ask for. What a killed
        engine had seen since its last note is lost, so silence begins anew. The engine that asks,
        `instance_id`, was not killed.
        """

        def work(transaction: Transaction) -> dict[str, int] | None:
            running_after_us = transaction.now_us - int(LOST_SECONDS * 1e6)
            rows = transaction.rows(statements.NOTES)
            lost = [
                seen_us
                for each, _, seen_us, _ in rows
                if seen_us <= running_after_us and each != instance_id
            ]
            if lost:
                transaction.run(statements.NOTE_LOST, {"lost_at_us": max(lost)})
            running = [row for row in rows if row[2] > running_after_us]
            if len({rules_digest for *_, rules_digest in running}) > 1:
                return None
            return {each: count for each, count, *_ in running}

        return self._writer.transact(work)

    def readings_lost(self) -> None:
        """An engine was killed: silence begins anew for all cameras."""
        self._writer.transact(lambda transaction: transaction.run(statements.READINGS_LOST))

    def become_judge(self, instance_id: str) -> bool:
        """Whether this engine is the judge for the next `JUDGE_SECONDS`."""

        def work(transaction: Transaction) -> bool:
            now_us = transaction.now_us
            parameters = {
                "judge": instance_id,
                "now_us": now_us,
                "until_us": now_us + int(JUDGE_SECONDS * 1e6),
                "latest_us": now_us + int(_LONGEST_JUDGE_SECONDS * 1e6),
            }
            return transaction.run(statements.BECOME_JUDGE, parameters) > 0

        return self._writer.transact(work)

    def advance(self, judge: str, added_us: int, named: Collection[str]) -> bool:
        """Add to the watched time, and know the `named` cameras; False for who is not the judge."""

        def work(transaction: Transaction) -> bool:
            parameters = {"judge": judge, "added_us": added_us}
            if not transaction.run(statements.ADD_WATCHED, parameters):
                return False
            transaction.run_many(
                statements.NOTE_NAMED,
                [
                    {"camera_id": camera_id, "now_us": transaction.now_us}
                    for camera_id in sorted(named)
                ],
            )
            return True

        return self._writer.transact(work)

    def forget(self, states: Sequence[CameraState]) -> None:
        """Delete these cameras, unless they were seen since they were read."""
        rows = [{"camera_id": each.camera_id, "watched_us": each.watched_us} for each in states]
        self._writer.transact(
            lambda transaction: transaction.run_many(statements.FORGET_CAMERA, rows)
        )

    def report(
        self, judge: str, make: Callable[[int], Sequence[CameraReport]]
    ) -> list[CameraReport]:
        """Store what `make` gives for the store's time (µs), each with its alert; for the judge.

        Returns what was stored: not what another judge has reported, or what is no longer so.
        """

        def work(transaction: Transaction) -> list[CameraReport]:
            row = transaction.row(statements.CAMERA_WATCH_LOCKED)
            if row is None or row[2] != judge:
                return []
            reports = sorted(make(transaction.now_us), key=lambda each: each.state.camera_id)
            stored = [each for each in reports if _change(transaction, each)]
            insert_batch(transaction, Batch([each.alert for each in stored], {}), _NOTHING)
            return stored

        return self._alerts.transact(work)


def camera_key(value: object) -> str:
    """A camera's id as it is kept: at most 100 characters; "" where it is no text."""
    return searched(value)


def _change(transaction: Transaction, report: CameraReport) -> bool:
    state = report.state
    parameters: dict[str, str | int] = {"camera_id": state.camera_id}
    if report.is_silent:
        parameters |= {
            "now_us": transaction.now_us,
            "since_us": state.last_us,
            "watched_us": state.watched_us,
            "seen_us": state.seen_us,
        }
        return transaction.run(statements.REPORT_SILENT, parameters) > 0
    return transaction.run(statements.REPORT_BACK, parameters | {"silent_us": state.silent_us}) > 0
