"""The thread that notes what was seen of cameras, and raises alerts of those that are silent.

Every engine notes. One of those on a store is the judge, as long as it lives: it asks the broker
how far the stream is read, and reports. What the store or the broker do not answer is done in a
later round; a silence then waits, and is measured without that time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, Protocol

import structlog

from channels.alert import Alert
from channels.render import duration
from engine.cameras.judge import judge
from engine.cameras.progress import ROUND_SECONDS, Progress
from engine.cameras.sightings import Sightings
from engine.clock import Clock
from engine.errors import AlertEngineError, StoreError
from engine.health import Heartbeat
from engine.metrics import Metrics
from engine.pipeline.active_rules import ActiveRules, alert_id
from engine.pipeline.silences import SilencesInForce
from engine.rules.cameras import RULE_ID, CameraRules
from engine.schema import CAMERA_ID, CAPTURED_AT, instant_text
from engine.schema.event import DIGEST_BYTES, EPOCH, Event
from engine.store import CameraReport, Cameras, CameraState, FreshAlert, NewAlert, camera_key
from engine.stream.record import Partition

log = structlog.get_logger(__name__)

#: So many cameras are watched: that bounds rows, and labels of a metric. Named ones always are.
MAX_CAMERAS: Final = 5_000


class Ends(Protocol):
    """Where topics end, and how far the group has read; `engine.stream.ends` has that of Kafka."""

    def ends(self) -> Mapping[Partition, int]:
        """The offset behind the last record of every partition; StreamError while unknown."""

    def committed(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offsets that the group has committed; StreamError while unknown."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the watch works with.

    `open_ends` connects to the broker; `silences` gives those in force; `on_stored` takes alerts
    that were stored.
    """

    cameras: Cameras
    sightings: Sightings
    open_ends: Callable[[], Ends]
    silences: Callable[[], SilencesInForce]
    on_stored: Callable[[Sequence[FreshAlert]], None]
    metrics: Metrics
    clock: Clock


class CameraWatch:
    """Watches the cameras of the rules in force, in a thread, while its context is open."""

    def __init__(
        self,
        parts: Parts,
        instance_id: str,
        retention_seconds: float,
        *,
        is_shared: bool,
        round_seconds: float = ROUND_SECONDS,
    ) -> None:
        """`is_shared`: other engines may use the store, who must hear that this one has noted."""
        self._parts = parts
        self._instance_id = instance_id
        self._retention_seconds = retention_seconds
        self._is_shared = is_shared
        self._round_seconds = round_seconds
        self._progress = Progress(instance_id)
        self._rules: ActiveRules | None = None
        self._ends: Ends | None = None
        self._known: frozenset[str] = frozenset()
        self._shown: set[str] = set()
        self._obstacle = ""
        self._is_full = False
        self.heartbeat = Heartbeat()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cameras", daemon=True)

    def use(self, rules: ActiveRules) -> None:
        """Watch the cameras of these rules from the next round on; any thread may call it."""
        # Before the rules: a camera must not be judged before it is listened for.
        self._parts.sightings.is_wanted = rules.rule_set.cameras is not None
        self._rules = rules

    def round(self) -> None:
        """Note what was seen, and report who is silent; StoreError, and StreamError of the ends."""
        active = self._rules
        rules = active.rule_set.cameras if active is not None else None
        if active is None or rules is None:
            self._rest()
            return
        if not self._parts.cameras.become_judge(self._instance_id):
            self._progress.restart()
            self._note(rules)
            self._show(self._parts.cameras.all())
            return
        committed: Mapping[Partition, int] = {}
        failure: AlertEngineError | None = None
        try:
            committed = self._ask()
        except StoreError:
            raise
        except AlertEngineError as error:
            failure = error
        self._note(rules)
        self._judge(active, rules, committed)
        if failure is not None:
            raise failure

    def _ask(self) -> Mapping[Partition, int]:
        if self._ends is None:
            self._ends = self._parts.open_ends()
        asked_at = self._parts.clock.monotonic()
        ends = self._ends.ends()
        committed = self._ends.committed([*ends])
        self._progress.ask(asked_at, ends)
        return committed

    def _note(self, rules: CameraRules) -> None:
        sightings, cameras = self._parts.sightings, self._parts.cameras
        taken = sightings.take()
        try:
            seen = self._watched_of(taken, rules)
            if seen or self._is_shared:
                cameras.note(self._instance_id, seen)
        except BaseException:
            sightings.put_back(taken)
            raise
        self._known |= seen.keys()

    def _watched_of(self, taken: Mapping[str, int], rules: CameraRules) -> dict[str, int]:
        """Those that are watched, with the time of the reading in µs."""
        room = MAX_CAMERAS - len(self._known)
        found: dict[str, int] = {}
        for value, timestamp_ms in taken.items():
            camera_id = camera_key(value)
            if not camera_id or rules.of(camera_id) is None:
                continue
            if camera_id not in self._known and camera_id not in rules.named:
                if room <= 0:
                    self._warn_of_room()
                    continue
                room -= 1
            found[camera_id] = timestamp_ms * 1_000
        return found

    def _warn_of_room(self) -> None:
        if not self._is_full:
            self._is_full = True
            log.warning(
                "cameras.too_many",
                watched=MAX_CAMERAS,
                remedy="name those under `cameras:` that must be watched",
            )

    def _judge(
        self, active: ActiveRules, rules: CameraRules, committed: Mapping[Partition, int]
    ) -> None:
        cameras, clock = self._parts.cameras, self._parts.clock
        notes = cameras.notes(self._instance_id)
        added = 0.0
        if notes is None:
            self._progress.restart()
        else:
            added = self._progress.advance(clock.monotonic(), committed, notes)
        missing = rules.named.keys() - self._known
        if not cameras.advance(self._instance_id, round(added * 1e6), missing):
            # Another engine is the judge now, or readings were lost.
            self._progress.restart()
            return
        states = cameras.all()
        watched = cameras.watched()
        verdicts = judge(states, watched, rules, clock.now(), self._retention_seconds)
        if verdicts.forgotten:
            cameras.forget(verdicts.forgotten)
        if verdicts.silent or verdicts.back:
            changes = [(each, True) for each in verdicts.silent]
            changes += [(each, False) for each in verdicts.back]
            self._report(changes, active, rules)
        gone = {each.camera_id for each in verdicts.forgotten}
        self._show([each for each in states if each.camera_id not in gone])

    def _report(
        self, changes: Sequence[tuple[CameraState, bool]], active: ActiveRules, rules: CameraRules
    ) -> None:
        silences = self._parts.silences()
        failed = 0

        def make(now_us: int) -> list[CameraReport]:
            nonlocal failed
            failed = 0
            reports = []
            for state, is_silent in changes:
                alert, digest, failures = alert_of(state, rules, now_us, is_silent=is_silent)
                failed += failures
                event = Event(alert.event, _moment(now_us), digest)
                silence = silences.find(RULE_ID, event)
                new = NewAlert(
                    alert=alert,
                    digest=digest,
                    dedup_key=None,
                    time_us=now_us,
                    targets=() if silence is not None else active.targets[RULE_ID],
                    rules_digest=active.rule_set.digest,
                    silenced_by=silence.silence_id if silence is not None else "",
                )
                reports.append(CameraReport(state, is_silent, new))
            return reports

        stored = self._parts.cameras.report(self._instance_id, make)
        self._count(stored, failed)
        read_at = self._parts.clock.monotonic()
        self._parts.on_stored(
            [
                FreshAlert(each.alert.alert.alert_id, each.alert.targets, read_at)
                for each in stored
                if each.alert.targets
            ]
        )

    def _count(self, stored: Sequence[CameraReport], failed: int) -> None:
        metrics = self._parts.metrics
        if failed and stored:
            metrics.template_errors.labels(RULE_ID).inc(failed)
        for each in stored:
            if each.alert.silenced_by:
                metrics.alerts_silenced.labels(RULE_ID).inc()
            else:
                metrics.alerts_triggered.labels(RULE_ID).inc()
                if not each.alert.targets:
                    metrics.alerts_unrouted.labels(RULE_ID).inc()
            log.warning(
                "camera.silent" if each.is_silent else "camera.back",
                camera_id=each.state.camera_id,
                since=instant_text(_moment(each.state.since_us or each.state.last_us)),
                silenced=bool(each.alert.silenced_by),
            )

    def _show(self, states: Sequence[CameraState]) -> None:
        self._known = frozenset(each.camera_id for each in states)
        seen = {each.camera_id: each.seen_us for each in states if each.seen_us}
        gauge = self._parts.metrics.camera_last_seen
        for gone in self._shown - seen.keys():
            gauge.remove(gone)
        for camera_id, seen_us in seen.items():
            gauge.labels(camera_id).set(seen_us / 1e6)
        self._shown = set(seen)

    def _rest(self) -> None:
        self._progress.restart()
        if self._shown or self._ends is not None:
            self._show([])
            self._disconnect()

    def _disconnect(self) -> None:
        if self._ends is not None:
            self._ends.close()
            self._ends = None

    def _run(self) -> None:
        while not self._stop.wait(self._round_seconds):
            self.heartbeat.beat("watching cameras")
            try:
                self.round()
            except AlertEngineError as error:
                if self._obstacle != error.code:
                    log.info("cameras.not_judged", reason=error.code, error=str(error))
                self._obstacle = error.code
            else:
                self._obstacle = ""
        self._end()

    def _end(self) -> None:
        """Note what was seen last, so that nothing is lost by a stop in order."""
        rules = self._rules.rule_set.cameras if self._rules is not None else None
        try:
            if rules is not None:
                self._note(rules)
        except StoreError as error:
            log.warning("cameras.not_noted", error=str(error))
        self._disconnect()

    def __enter__(self) -> CameraWatch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()


def alert_of(
    state: CameraState, rules: CameraRules, now_us: int, *, is_silent: bool
) -> tuple[Alert, bytes, int]:
    """The alert that a camera is silent, or is back, its digest, and how many placeholders failed.

    `now_us` is the store's time. The alert's event has what is known: the camera, and since when.
    """
    if is_silent:
        since_us, until_us, seen_us = state.last_us, now_us, state.seen_us
    else:
        since_us, until_us = state.since_us, state.seen_us
        seen_us = since_us if since_us != state.known_us else 0
    seconds = max(0, until_us - since_us) // 1_000_000
    now, since = _moment(now_us), _moment(since_us)
    last_seen = _moment(seen_us) if seen_us else None
    values: dict[str, Any] = {
        "camera_id": state.camera_id,
        "last_seen": None if last_seen is None else last_seen.replace(microsecond=0),
        "since": since.replace(microsecond=0),
        "silent_for": duration(seconds),
        "silent_seconds": seconds,
        "time": now.replace(microsecond=0),
    }
    message, failed = rules.message(values, is_silent=is_silent)
    kind = "silent" if is_silent else "back"
    identity = f"{RULE_ID}\0{kind}\0{state.camera_id}\0{state.known_us}\0{state.watched_us}"
    digest = blake2b(
        f"{identity}\0{state.seen_us}\0{since_us}".encode("utf-8", "surrogatepass"),
        digest_size=DIGEST_BYTES,
    ).digest()
    alert = Alert(
        alert_id=alert_id(digest, RULE_ID),
        rule_id=RULE_ID,
        rule_name=rules.name,
        priority=rules.priority,
        message=message,
        captured_at=instant_text(now),
        created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        event={
            CAMERA_ID: state.camera_id,
            CAPTURED_AT: instant_text(now),
            "camera": {
                "state": kind,
                "last_seen": None if last_seen is None else instant_text(last_seen),
                "since": instant_text(since),
                "silent_seconds": seconds,
            },
        },
    )
    return alert, digest, failed


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
