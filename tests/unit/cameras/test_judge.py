"""When a camera is silent, by what is stored: after its time, within its intervals, once."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.cameras.judge import Verdicts, judge
from engine.cameras.progress import SLACK_SECONDS
from engine.intervals import Pattern, Schedule, TimeInterval
from engine.rules.cameras import CameraRules, WatchedCamera
from engine.store import CameraState, Watched
from tests.unit.cameras.samples import camera_rules

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NIGHT = datetime(2026, 6, 1, 23, tzinfo=UTC)
DAY = Schedule((TimeInterval("day", (Pattern(UTC, ((6 * 60, 22 * 60),)),)),))
RETENTION = 1_000.0


def state(
    camera_id: str = "gate",
    watched: float = 0.0,
    silent_us: int = 0,
    *,
    is_seen: bool = False,
) -> CameraState:
    return CameraState(camera_id, 1, 5, round(watched * 1e6), is_seen, silent_us, silent_us)


def verdicts(
    states: list[CameraState],
    watched: float,
    rules: CameraRules,
    now: datetime = NOON,
    lost: float = 0.0,
) -> Verdicts:
    return judge(states, Watched(round(watched * 1e6), round(lost * 1e6)), rules, now, RETENTION)


def test_a_camera_is_silent_once_the_stream_was_watched_for_so_long() -> None:
    rules = camera_rules({"gate": WatchedCamera(60.0)})
    due = 60.0 + SLACK_SECONDS
    assert not verdicts([state()], due - 0.1, rules).silent
    assert verdicts([state()], due, rules).silent == [state()]
    assert not verdicts([state(watched=1.0)], due, rules).silent


def test_what_was_reported_is_not_reported_again_and_is_back_with_its_next_reading() -> None:
    rules = camera_rules({"gate": WatchedCamera(60.0)})
    reported, back = state(silent_us=7), state(silent_us=7, is_seen=True)
    assert verdicts([reported], 500.0, rules) == Verdicts()
    assert verdicts([back], 500.0, rules) == Verdicts(back=[back])


def test_outside_of_its_intervals_a_camera_is_not_reported_but_its_return_is() -> None:
    rules = camera_rules({"gate": WatchedCamera(60.0, DAY)})
    assert not verdicts([state()], 500.0, rules, NIGHT).silent
    assert verdicts([state()], 500.0, rules, NOON).silent
    back = state(silent_us=7, is_seen=True)
    assert verdicts([back], 500.0, rules, NIGHT).back == [back]


def test_after_readings_were_lost_silence_begins_anew() -> None:
    rules = camera_rules({"gate": WatchedCamera(60.0)})
    due = 60.0 + SLACK_SECONDS
    assert not verdicts([state()], 200.0 + due - 0.1, rules, lost=200.0).silent
    assert verdicts([state()], 200.0 + due, rules, lost=200.0).silent


def test_an_unnamed_camera_goes_by_the_default_and_is_forgotten_in_the_end() -> None:
    rules = camera_rules({"gate": WatchedCamera(60.0)}, WatchedCamera(300.0))
    other = state("other")
    assert not verdicts([other], 200.0, rules).silent
    assert verdicts([other], 340.0, rules).silent == [other]
    reported = state("other", silent_us=7)
    assert verdicts([reported], RETENTION, rules).forgotten == [reported]
    assert not verdicts([state(silent_us=7)], RETENTION, rules).forgotten


def test_what_is_not_watched_any_more_is_forgotten() -> None:
    rules = camera_rules({"gate": WatchedCamera(60.0)})
    assert verdicts([state("other")], 10.0, rules) == Verdicts(forgotten=[state("other")])
