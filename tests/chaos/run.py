"""One run: faults one after another, then the judgement."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.faults import Fault, deal, faults_of
from tests.chaos.judge import Judgement, judge
from tests.chaos.scene import Scene, Store, open_scene
from tests.chaos.trace import trace

#: Every so many faults, the next one strikes before the engines are well again.
HASTE: Final = 0.25
PAUSE_SECONDS: Final = 0.7
START_SECONDS: Final = 60.0
#: A group waits a minute, `max.poll.interval.ms`, for a member that died while it joined.
WELL_SECONDS: Final = 90.0
#: So long none of the missing alerts must come until they are called lost: longer than a target
#: that was held needs until it is probed again. What comes late is no loss: under many faults and
#: on a busy machine the alerts of least priority wait for minutes.
STILL_SECONDS: Final = 150.0
STEP_SECONDS: Final = 1.0
#: What comes again after all has come, comes within this.
LINGER_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be; the seed decides on faults and events, not on the machine's timing.

    `only` is a regular expression: faults strike whose names it is found in.
    """

    store: Store
    replicas: int
    faults: int
    seed: int
    only: str = ""


@dataclass(slots=True)
class Report:
    """What a run was, and what came of it."""

    plan: Plan
    faults: Counter[str] = field(default_factory=Counter)
    events: int = 0
    arrivals: int = 0
    alerts: int = 0
    judgement: Judgement = field(default_factory=Judgement)
    #: Faults after which no fresh alert came within a minute.
    stuck: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    #: How long after the last event all had come that was missing then.
    drained_seconds: float = 0.0
    #: What became of each lost alert.
    traces: list[str] = field(default_factory=list)
    engines_ended: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        return self.judgement.is_good and not self.stuck

    def as_json(self) -> str:
        """One line of JSON."""
        found = self.judgement
        return json.dumps(
            {
                **asdict(self.plan),
                "is_good": self.is_good,
                "events": self.events,
                "alerts": self.alerts,
                "arrivals": self.arrivals,
                "lost": len(found.lost),
                "too_near": len(found.too_near),
                "invented": len(found.invented),
                "repeats": found.repeats,
                "repeats_allowed": found.allowed,
                "stuck": self.stuck,
                "slowest_recovery_seconds": round(self.slowest_seconds, 1),
                "drained_seconds": round(self.drained_seconds),
                "engines_ended": self.engines_ended,
                "seconds": round(self.seconds),
                "struck": dict(sorted(self.faults.items())),
            }
        )


def run(plan: Plan, folder: Path) -> Report:
    """Strike so many times, and judge; the engines' logs are in the folder afterwards.

    If something was found, the file of a SQLite store is there too, in `store`.
    """
    began = time.monotonic()
    chance = random.Random(plan.seed)
    report = Report(plan)
    with open_scene(folder, plan.store, plan.replicas, chance) as scene:
        is_up = scene.await_fresh(START_SECONDS) is not None
        assert is_up, f"no alert came before the first fault: see the logs in {folder}"
        _strike(scene, plan, chance, report)
        events = scene.street.end()
        ended = time.monotonic()
        drain(lambda: len(_judge(scene).lost), scene.sleep)
        report.drained_seconds = time.monotonic() - ended
        scene.sleep(LINGER_SECONDS)
        for replica in scene.replicas:
            scene.stop(replica)
        report.judgement = _judge(scene)
        arrivals = scene.receivers.arrivals()
        report.events = len(events)
        report.arrivals = len(arrivals)
        report.alerts = len({arrival.alert_id for arrival in arrivals})
        report.engines_ended = scene.ended
        report.traces = trace(scene, report.judgement.lost)
        if scene.disk is not None and not report.is_good:
            shutil.copytree(scene.disk.folder, folder / "store")
    report.seconds = time.monotonic() - began
    return report


def drain(
    count_missing: Callable[[], int],
    sleep: Callable[[float], None],
    still_seconds: float = STILL_SECONDS,
) -> None:
    """Sleep in steps until nothing is missing, or nothing has come of it for `still_seconds`."""
    fewest, still = count_missing(), 0.0
    while fewest and still < still_seconds:
        sleep(STEP_SECONDS)
        still += STEP_SECONDS
        if (missing := count_missing()) < fewest:
            fewest, still = missing, 0.0


def _strike(scene: Scene, plan: Plan, chance: random.Random, report: Report) -> None:
    for number, fault in enumerate(deal(_faults(scene, plan), plan.faults, chance), 1):
        # Not always just after an alert.
        scene.sleep(chance.uniform(0.0, PAUSE_SECONDS))
        scene.excuse(*fault.repeats)
        report.faults[fault.name] += 1
        fault.strike(scene, chance)
        if chance.random() < HASTE:
            print(f"{number}: {fault.name}", file=sys.stderr)
            continue
        seconds = scene.await_fresh(WELL_SECONDS)
        if seconds is None:
            report.stuck.append(fault.name)
        report.slowest_seconds = max(report.slowest_seconds, seconds or WELL_SECONDS)
        print(f"{number}: {fault.name}, well after {seconds or -1:.1f} s", file=sys.stderr)


def _faults(scene: Scene, plan: Plan) -> list[Fault]:
    faults = [fault for fault in faults_of(scene) if re.search(plan.only, fault.name)]
    assert faults, f"there is no fault {plan.only!r}: {[fault.name for fault in faults_of(scene)]}"
    return faults


def _judge(scene: Scene) -> Judgement:
    events = list(scene.street.events.values())
    return judge(events, scene.receivers.arrivals(), dict(scene.allowed))
