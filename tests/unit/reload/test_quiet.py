from __future__ import annotations

from collections.abc import Iterable

from engine.reload.file_state import LONGEST_SECONDS, QUIET_SECONDS, STEP_SECONDS, await_quiet


class Scene:
    """Files that change at certain seconds, watched by a clock that only waiting moves."""

    def __init__(self, changes: Iterable[float]) -> None:
        self.changes = tuple(changes)
        self.now = 0.0
        self.stop_at = float("inf")

    def monotonic(self) -> float:
        return self.now

    def look(self) -> int:
        return sum(change <= self.now for change in self.changes)

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.now >= self.stop_at

    def seen(self) -> int:
        return await_quiet(self.look, self.wait, self.monotonic, LONGEST_SECONDS)


def test_what_is_at_rest_is_seen_after_the_quiet_time() -> None:
    scene = Scene([])
    assert scene.seen() == 0
    assert QUIET_SECONDS <= scene.now <= QUIET_SECONDS + STEP_SECONDS


def test_what_is_being_written_is_seen_once_it_is_whole() -> None:
    scene = Scene([0.2, 0.6, 1.0, 1.4])
    assert scene.seen() == 4
    assert scene.now < 1.4 + QUIET_SECONDS + 2 * STEP_SECONDS


def test_who_writes_all_the_time_is_read_after_the_longest_delay() -> None:
    scene = Scene(number * 0.3 for number in range(round(LONGEST_SECONDS / 0.3) + 1))
    assert scene.seen() > 0
    assert LONGEST_SECONDS <= scene.now <= LONGEST_SECONDS + STEP_SECONDS


def test_a_stop_is_not_waited_out() -> None:
    scene = Scene([])
    scene.stop_at = 0.1
    assert scene.seen() == 0
    assert scene.now < QUIET_SECONDS
