"""Which cameras are to be reported as silent or back, and which to be forgotten.

It decides by what is stored and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from engine.cameras.progress import SLACK_SECONDS
from engine.rules.cameras import CameraRules
from engine.store import CameraState, Watched


@dataclass(slots=True)
class Verdicts:
    """The cameras that are silent now, those that are back, and those that are forgotten."""

    silent: list[CameraState] = field(default_factory=list)
    back: list[CameraState] = field(default_factory=list)
    forgotten: list[CameraState] = field(default_factory=list)


def judge(
    states: Iterable[CameraState],
    watched: Watched,
    rules: CameraRules,
    now: datetime,
    retention_seconds: float,
) -> Verdicts:
    """The verdicts on these cameras by these rules, at `now` (aware), by which intervals go.

    A camera is silent once the stream was watched for its `silent_after` since its last reading, or
    since readings were lost. Outside of its intervals that waits. One that was reported is back
    with its next reading, at any time. A camera that no rule names, and which stays silent for
    `retention_seconds` of watched time, is forgotten, and so is what is not watched any more.
    """
    verdicts = Verdicts()
    for state in states:
        camera = rules.of(state.camera_id)
        if camera is None:
            verdicts.forgotten.append(state)
            continue
        silent_seconds = (watched.watched_us - state.watched_us) / 1e6
        if state.silent_us:
            if state.is_seen:
                verdicts.back.append(state)
            elif state.camera_id not in rules.named and silent_seconds >= retention_seconds:
                verdicts.forgotten.append(state)
            continue
        from_us = max(state.watched_us, watched.lost_us)
        since_seconds = (watched.watched_us - from_us) / 1e6
        if since_seconds < camera.silent_after_seconds + SLACK_SECONDS:
            continue
        if camera.schedule is None or camera.schedule.counts(now):
            verdicts.silent.append(state)
    return verdicts
