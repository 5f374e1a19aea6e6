"""What is watched time, and that no camera is accused of what is ours: random histories.

A history has cameras that live and die, a broker, two partitions and two engines with outages. What
is reported is compared with what the cameras wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from engine.cameras.judge import judge
from engine.cameras.progress import (
    LONGEST_LAG_SECONDS,
    LONGEST_STEP_SECONDS,
    ROUND_SECONDS,
    SLACK_SECONDS,
    Progress,
)
from engine.rules.cameras import WatchedCamera
from engine.store import CameraState, Watched
from engine.store.instances import LOST_SECONDS
from engine.stream.record import Partition
from tests.support.random_cases import examples
from tests.unit.cameras.samples import camera_rules

P, Q = ("plates", 0), ("plates", 1)
SILENT_AFTER = 60.0
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_the_time_between_two_ends_that_were_passed_is_watched() -> None:
    progress = Progress("judge")
    progress.ask(0.0, {P: 5, Q: 0})
    assert progress.advance(0.1, {P: 5}, {"judge": 1}) == 0.0
    progress.ask(3.0, {P: 7, Q: 1})
    assert progress.advance(3.1, {P: 7, Q: 0}, {"judge": 2}) == 0.0
    assert progress.advance(4.0, {P: 9, Q: 1}, {"judge": 3}) == 3.0


def test_an_outage_and_a_long_lag_are_not_watched() -> None:
    progress = Progress("judge")
    progress.ask(0.0, {P: 5})
    progress.advance(0.1, {P: 5}, {})
    after = LONGEST_STEP_SECONDS + 0.1
    progress.ask(after, {P: 5})
    assert progress.advance(after, {P: 5}, {}) == 0.0
    progress.ask(after + 3, {P: 50})
    assert progress.advance(after + 3.1 + LONGEST_LAG_SECONDS, {P: 50}, {}) == 0.0
    progress.restart()
    progress.ask(after + 40, {P: 50})
    assert progress.advance(after + 40, {P: 50}, {}) == 0.0


def test_every_other_engine_must_have_noted_what_it_saw() -> None:
    progress = Progress("judge")
    progress.ask(0.0, {P: 5})
    assert progress.advance(0.1, {P: 5}, {"judge": 1, "other": 7}) == 0.0
    progress.ask(3.0, {P: 5})
    assert progress.advance(3.1, {P: 5}, {"judge": 2, "other": 8}) == 0.0
    assert progress.advance(6.1, {P: 5}, {"judge": 3, "other": 9}) == 0.0
    assert progress.advance(9.1, {P: 5}, {"judge": 4, "other": 10}) == 3.0


def test_an_engine_that_has_gone_is_not_waited_for() -> None:
    progress = Progress("judge")
    progress.ask(0.0, {P: 5})
    progress.advance(0.1, {P: 5}, {"judge": 1, "other": 7})
    progress.ask(3.0, {P: 5})
    assert progress.advance(3.1, {P: 5}, {"judge": 2}) == 3.0


@dataclass
class Engine:
    """One that reads: what it has seen since its last note."""

    name: str
    seen: set[str] = field(default_factory=set)
    notes: int = 0
    killed_at: float | None = None


@dataclass
class Camera:
    """It writes to its partition every `period` seconds, from and until a time."""

    name: str
    partition: Partition
    period: int
    starts: int
    ends: int
    written: list[int] = field(default_factory=list)


PROBLEMS = st.sampled_from(
    ["broker", "partition", "lag", "held", "store", "kill", "restart", "freeze"]
)
PHASES = st.lists(
    st.tuples(st.integers(1, 150), PROBLEMS, st.integers(15, 150)), min_size=1, max_size=6
)
CAMERAS = st.lists(
    st.builds(
        Camera,
        st.uuids().map(str),
        st.sampled_from([P, Q]),
        st.integers(1, 30),
        st.integers(0, 300),
        st.integers(0, 900),
    ),
    min_size=1,
    max_size=4,
)


class World:
    """All of it, second by second, with the watch as the engine has it."""

    def __init__(self, cameras: list[Camera]) -> None:
        self.cameras = cameras
        self.now = 0
        self.log: dict[Partition, list[str]] = {P: [], Q: []}
        self.committed = {P: 0, Q: 0}
        self.judge, self.other = Engine("judge"), Engine("other")
        self.gone: list[Engine] = []
        self.states: dict[str, CameraState] = {}
        self.watched = Watched()
        self.progress = Progress("judge")
        self.rules = camera_rules({}, WatchedCamera(SILENT_AFTER))
        self.reported: list[tuple[int, str, bool]] = []
        # The seconds in which a reading would be written, and nothing waits to be read.
        self.good: dict[Partition, set[int]] = {P: set(), Q: set()}

    def run(self, seconds: int, problem: str = "") -> None:
        if problem == "kill":
            self.other.killed_at = self.now
            self.gone.append(self.other)
            self.other = Engine(f"other-{self.now}")
        elif problem == "restart":
            self.note(self.other)
            self.note(self.judge)
            self.other = Engine(f"other-{self.now}")
            self.progress.restart()
        for _ in range(seconds):
            self.second(problem)

    def second(self, problem: str) -> None:
        self.now += 1
        for each in self.cameras:
            is_away = problem == "broker" or (problem == "partition" and each.partition == Q)
            is_due = self.now % each.period == 0 and each.starts <= self.now < each.ends
            if is_due and not is_away:
                self.log[each.partition].append(each.name)
                each.written.append(self.now)
        idle = {"lag", "store", "restart", "broker"}
        self.read(self.judge, P, is_on=problem not in idle)
        self.read(self.other, Q, is_on=problem not in {*idle, "partition", "held", "freeze"})
        for partition, records in self.log.items():
            is_away = problem == "broker" or (problem == "partition" and partition == Q)
            if not is_away and self.committed[partition] == len(records):
                self.good[partition].add(self.now)
        if self.now % ROUND_SECONDS == 0 and problem not in ("store", "restart"):
            if problem != "freeze":
                self.note(self.other)
            self.round(is_answered=problem not in ("broker", "partition"))

    def read(self, engine: Engine, partition: Partition, *, is_on: bool) -> None:
        if is_on:
            engine.seen.update(self.log[partition][self.committed[partition] :])
            self.committed[partition] = len(self.log[partition])

    def note(self, engine: Engine) -> None:
        for name in engine.seen:
            known = self.states.get(name) or CameraState(name, self.now, 0, 0, True, 0, 0)
            self.states[name] = replace(
                known, seen_us=self.now, watched_us=self.watched.watched_us, is_seen=True
            )
        engine.seen.clear()
        engine.notes += 1

    def round(self, *, is_answered: bool) -> None:
        committed: dict[Partition, int] = {}
        if is_answered:
            ends = {each: len(records) for each, records in self.log.items()}
            self.progress.ask(float(self.now), ends)
            committed = dict(self.committed)
        self.note(self.judge)
        notes = {each.name: each.notes for each in (self.judge, self.other)}
        for each in list(self.gone):
            assert each.killed_at is not None
            if self.now - each.killed_at >= LOST_SECONDS:
                self.gone.remove(each)
                self.watched = replace(self.watched, lost_us=self.watched.watched_us)
                self.progress.restart()
                return
            notes[each.name] = each.notes
        added = self.progress.advance(float(self.now), committed, notes)
        self.watched = replace(
            self.watched, watched_us=self.watched.watched_us + round(added * 1e6)
        )
        found = judge(self.states.values(), self.watched, self.rules, NOW, 1e9)
        for state in found.silent:
            self.reported.append((self.now, state.camera_id, True))
            self.states[state.camera_id] = replace(state, silent_us=self.now, is_seen=False)
        for state in found.back:
            self.reported.append((self.now, state.camera_id, False))
            self.states[state.camera_id] = replace(state, silent_us=0)


@examples(100)
@given(CAMERAS, PHASES)
def test_exactly_the_silent_cameras_are_reported(
    cameras: list[Camera], phases: list[tuple[int, str, int]]
) -> None:
    world = World(cameras)
    for before, problem, seconds in phases:
        world.run(before)
        world.run(seconds, problem)
    world.run(max(0, 900 - world.now))
    world.run(round(SILENT_AFTER + SLACK_SECONDS + LONGEST_LAG_SECONDS + LOST_SECONDS))
    for camera in cameras:
        reports = [(at, silent) for at, name, silent in world.reported if name == camera.name]
        # By turns, silence first.
        assert [silent for _, silent in reports] == [i % 2 == 0 for i in range(len(reports))]
        for at, silent in reports:
            written = [each for each in camera.written if each <= at]
            if silent:
                # It had its full time to be seen, without what was an outage or a backlog.
                last = max(each for each in written if each <= at - ROUND_SECONDS)
                chances = [each for each in world.good[camera.partition] if last < each <= at]
                assert len(chances) >= SILENT_AFTER
            else:
                assert written
        # In the end those that ended are silent, once they were seen at all.
        assert bool(reports and reports[-1][1]) == bool(camera.written)
