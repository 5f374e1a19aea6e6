"""The cooldown's verdicts: the store's alerts are the truth, the cache only makes them quick."""

from __future__ import annotations

from itertools import combinations, count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pipeline.cooldown import (
    CACHE_TTL_SECONDS,
    MAX_CARRIED_KEYS,
    Candidate,
    Cooldown,
    Verdicts,
    ask_of,
)
from engine.pipeline.outcome import Verdict
from engine.store import Ask, open_store
from tests.support.cooldown_runs import (
    CAPACITIES,
    ENGINES,
    MINUTE_US,
    Fate,
    Match,
    MemoryKeeper,
    Step,
    Timer,
    candidate_of,
    decide_portion,
    expected_run,
    match_lists,
    plans,
    run_matches,
)
from tests.support.random_cases import examples

ALERT, SUPPRESSED, DUPLICATE = Verdict.ALERT, Verdict.SUPPRESSED, Verdict.DUPLICATE


class Scene:
    """A cooldown of five minutes on a past in memory, with a clock that stands still.

    `told` is what the last alert has reported.
    """

    def __init__(self, capacity: int | None = 100) -> None:
        self.keeper = MemoryKeeper()
        self.timer = Timer()
        self.cooldown = Cooldown(capacity, self.timer)
        self.events = count()
        self.told = 0

    def batch(self) -> Verdicts:
        """The verdicts of a new batch, which has asked for everything."""
        moments: dict[str, list[tuple[int, int]]] = {key: [] for key in self.keeper.counts}
        for key, instants in self.keeper.instants.items():
            moments[key] = [(each, 1) for each in instants]
        return self.cooldown.verdicts(self.keeper.past(Ask(self.keeper.alert_ids, moments)))

    def candidate(
        self,
        minute: float,
        key: str | None = "k",
        cooldown_seconds: float = 300.0,
        digest: bytes | None = None,
    ) -> Candidate:
        digest = digest or next(self.events).to_bytes(16, "big")
        match = Match(key, int(minute * MINUTE_US), digest, cooldown_seconds)
        return candidate_of(match, self.cooldown)

    def decide(
        self,
        batch: Verdicts,
        minute: float,
        key: str | None = "k",
        cooldown_seconds: float = 300.0,
        digest: bytes | None = None,
        *,
        is_made: bool = True,
    ) -> Verdict:
        """The verdict on a match, whose alert is made unless that fails."""
        candidate = self.candidate(minute, key, cooldown_seconds, digest)
        verdict = batch.decide(candidate)
        if verdict is ALERT:
            self.told = batch.suppressed_count(key)
            if is_made:
                batch.made(candidate)
        return verdict

    def store_alert(self, minute: float, key: str | None = "k") -> bytes:
        """Have an alert stored and committed; its event's digest."""
        digest = next(self.events).to_bytes(16, "big")
        match = Match(key, int(minute * MINUTE_US), digest, 300.0)
        verdicts, alerts = decide_portion([match], Fate.COMMITTED, self.keeper, self.cooldown, "")
        assert len(alerts) == 1
        self.cooldown.committed(verdicts)
        return digest


@given(match_lists([300.0]), plans(), st.sampled_from(CAPACITIES))
@examples(200)
def test_alerts_of_a_key_are_apart_and_every_match_is_near_one(
    matches: list[Match], plan: list[Step], capacity: int | None
) -> None:
    alerts = [
        raised.match for raised in run_matches(matches, plan, MemoryKeeper(), capacity).alerts
    ]
    for one, other in combinations(alerts, 2):
        assert None in {one.key, other.key} or (
            one.key != other.key or abs(one.time_us - other.time_us) >= 5 * MINUTE_US
        )
    for match in matches:
        assert any(
            alert.key == match.key and abs(alert.time_us - match.time_us) < 5 * MINUTE_US
            for alert in alerts
        )


@given(match_lists([0.0, 60.0, 300.0, 1_800.0]), plans())
@examples(200)
def test_neither_cache_nor_batches_nor_kills_change_an_alert(
    matches: list[Match], plan: list[Step]
) -> None:
    expected = [raised.match for raised in expected_run(matches).alerts]
    for capacity in CAPACITIES:
        run = run_matches(matches, plan, MemoryKeeper(), capacity)
        assert [raised.match for raised in run.alerts] == expected


@given(match_lists([60.0, 300.0]), plans([Fate.COMMITTED, Fate.DECIDED_TWICE, Fate.FAILED]))
@examples(200)
def test_every_suppressed_match_is_told_once_by_the_next_alert(
    matches: list[Match], plan: list[Step]
) -> None:
    for capacity in CAPACITIES:
        assert run_matches(matches, plan, MemoryKeeper(), capacity) == expected_run(matches)


@given(match_lists([0.0, 60.0, 300.0, 1_800.0]), plans(engines=range(ENGINES)))
@examples(200)
def test_engines_that_share_a_store_give_the_alerts_of_one(
    matches: list[Match], plan: list[Step]
) -> None:
    expected = [raised.match for raised in expected_run(matches).alerts]
    for capacity in CAPACITIES:
        run = run_matches(matches, plan, MemoryKeeper(), capacity)
        assert [raised.match for raised in run.alerts] == expected


def test_the_real_store_gives_the_same_alerts(tmp_path: Path) -> None:
    runs = count()
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:

        @given(
            match_lists([60.0, 300.0]), plans(engines=range(ENGINES)), st.sampled_from(CAPACITIES)
        )
        @examples(30)
        def compare(matches: list[Match], plan: list[Step], capacity: int | None) -> None:
            in_memory = run_matches(matches, plan, MemoryKeeper(), capacity)
            prefix = f"{next(runs)}-"
            assert run_matches(matches, plan, store.stream, capacity, prefix) == in_memory

        compare()


@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize(
    ("minute", "verdict"),
    [(5, ALERT), (4.999, SUPPRESSED), (0, SUPPRESSED), (-4.999, SUPPRESSED), (-5, ALERT)],
)
def test_the_cooldown_reaches_to_both_sides_of_an_alert_and_ends_sharply(
    capacity: int | None, minute: float, verdict: Verdict
) -> None:
    scene = Scene(capacity)
    scene.store_alert(0)
    assert scene.decide(scene.batch(), minute) is verdict


@pytest.mark.parametrize("minute", [-4, 4, 0])
def test_a_batch_sees_its_own_alerts(minute: float) -> None:
    scene = Scene()
    batch = scene.batch()
    for alert_minute in (10, 0, 20):
        assert scene.decide(batch, alert_minute) is ALERT
    assert scene.decide(batch, minute) is SUPPRESSED
    assert scene.decide(batch, 5) is ALERT


def test_another_key_is_not_suppressed() -> None:
    scene = Scene()
    scene.store_alert(0)
    assert scene.decide(scene.batch(), 0, key="other") is ALERT


def test_a_match_without_key_always_alerts_but_not_twice() -> None:
    scene = Scene()
    digest = scene.store_alert(0, key=None)
    batch = scene.batch()
    assert scene.decide(batch, 0, key=None) is ALERT
    assert scene.decide(batch, 0, key=None, digest=digest) is DUPLICATE
    assert scene.told == 0
    assert batch.suppressed == {}


def test_an_event_read_twice_is_a_duplicate_and_counts_as_nothing() -> None:
    scene = Scene()
    digest = scene.store_alert(0)
    batch = scene.batch()
    assert scene.decide(batch, 0, digest=digest) is DUPLICATE
    assert scene.decide(batch, 30, digest=b"in the batch") is ALERT
    assert scene.decide(batch, 30, digest=b"in the batch") is DUPLICATE
    assert batch.suppressed == {}


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_a_changed_cooldown_counts_at_once(capacity: int | None) -> None:
    scene = Scene(capacity)
    scene.store_alert(0)
    batch = scene.batch()
    assert scene.decide(batch, 10) is ALERT
    batch = scene.batch()
    assert scene.decide(batch, 10, cooldown_seconds=601.0) is SUPPRESSED
    assert scene.decide(batch, 1, cooldown_seconds=60.0) is ALERT
    assert scene.decide(batch, 1, cooldown_seconds=0.0) is ALERT


@pytest.mark.parametrize(
    ("cooldown_seconds", "microseconds"),
    [(0.1, 100_000), (1.1, 1_100_000), (2.3, 2_300_000), (4e-7, 1), (1e300, 1 << 60)],
)
def test_a_cooldown_is_exact_to_the_microsecond(cooldown_seconds: float, microseconds: int) -> None:
    scene = Scene(0)
    scene.store_alert(0)
    batch = scene.batch()
    inside = scene.cooldown.candidate("inside", "k", microseconds - 1, cooldown_seconds)
    assert batch.decide(inside) is SUPPRESSED
    if cooldown_seconds < 1e9:
        outside = scene.cooldown.candidate("outside", "k", microseconds, cooldown_seconds)
        assert batch.decide(outside) is ALERT


def test_the_cache_spares_the_store_a_question() -> None:
    scene = Scene()
    digest = scene.store_alert(0)
    known = [scene.candidate(1), scene.candidate(-4)]
    ask = ask_of(known)
    assert ask.moments == {}
    # They may be stored already all the same.
    assert ask.alert_ids == {candidate.alert_id for candidate in known}
    verdicts = scene.cooldown.verdicts(scene.keeper.past(ask))
    assert [verdicts.decide(candidate) for candidate in known] == [SUPPRESSED, SUPPRESSED]
    again = scene.candidate(0, digest=digest)
    assert again.cooling_us == again.time_us
    verdicts = scene.cooldown.verdicts(scene.keeper.past(ask_of([again])))
    assert verdicts.decide(again) is DUPLICATE


def test_what_the_cache_forgot_the_store_still_knows() -> None:
    scene = Scene()
    scene.store_alert(0)
    scene.timer.seconds = CACHE_TTL_SECONDS + 1
    candidate = scene.candidate(1)
    ask = ask_of([candidate])
    assert ask.moments == {"k": {(1 * MINUTE_US, 5 * MINUTE_US)}}
    assert scene.cooldown.verdicts(scene.keeper.past(ask)).decide(candidate) is SUPPRESSED


def test_a_batch_asks_once_for_all_that_matters_to_a_key() -> None:
    scene = Scene()
    candidates = [scene.candidate(10), scene.candidate(2, cooldown_seconds=60.0)]
    candidates += [scene.candidate(3, key="other"), scene.candidate(4, key=None)]
    ask = ask_of(candidates)
    assert ask.moments == {
        "k": {(10 * MINUTE_US, 5 * MINUTE_US), (2 * MINUTE_US, 1 * MINUTE_US)},
        "other": {(3 * MINUTE_US, 5 * MINUTE_US)},
    }
    assert len(ask.alert_ids) == 4


def test_a_dropped_batch_leaves_no_trace() -> None:
    scene = Scene()
    dropped = scene.batch()
    assert scene.decide(dropped, 0) is ALERT
    assert scene.decide(dropped, 1) is SUPPRESSED
    batch = scene.batch()
    assert scene.decide(batch, 1) is ALERT
    assert scene.told == 0


def test_counts_wait_for_the_next_transaction() -> None:
    scene = Scene()
    scene.store_alert(0)
    quiet = scene.batch()
    assert scene.decide(quiet, 1) is SUPPRESSED
    # Counts alone are no reason for a synced transaction.
    assert quiet.suppressed == {}
    scene.cooldown.committed(quiet)
    assert scene.cooldown.carried == {"k": 1}
    scene.store_alert(0, key="other")
    assert scene.cooldown.carried == {}
    assert scene.keeper.counts["k"] == 1


def test_an_alert_tells_of_the_store_of_quiet_batches_and_of_its_own() -> None:
    scene = Scene()
    scene.keeper.counts["k"] = 10
    scene.store_alert(0)
    scene.keeper.counts["k"] = 10
    quiet = scene.batch()
    assert scene.decide(quiet, 1) is SUPPRESSED
    scene.cooldown.committed(quiet)
    batch = scene.batch()
    assert scene.decide(batch, 2) is SUPPRESSED
    assert scene.decide(batch, 5) is ALERT
    assert scene.told == 12
    assert scene.decide(batch, 6) is SUPPRESSED
    assert batch.suppressed == {"k": 1}
    assert scene.decide(batch, 10) is ALERT
    assert scene.told == 1
    assert batch.suppressed == {}


def test_an_alert_that_is_not_made_suppresses_nothing_and_tells_nothing() -> None:
    scene = Scene()
    scene.keeper.counts["k"] = 4
    batch = scene.batch()
    for _ in range(2):
        assert scene.decide(batch, 0, digest=b"broken", is_made=False) is ALERT
        assert scene.told == 4
    assert scene.decide(batch, 1) is ALERT
    assert scene.told == 4
    assert scene.decide(batch, 2) is SUPPRESSED
    assert scene.decide(batch, 7, is_made=False) is ALERT
    assert batch.suppressed == {"k": 1}
    assert scene.decide(batch, 7) is ALERT
    assert scene.told == 1


def test_an_alert_without_key_that_is_not_made_is_no_duplicate() -> None:
    scene = Scene()
    batch = scene.batch()
    for _ in range(2):
        assert scene.decide(batch, 0, key=None, digest=b"broken", is_made=False) is ALERT


def test_carried_counts_are_bounded() -> None:
    scene = Scene()
    quiet = scene.batch()
    quiet.counts = {str(number): 1 for number in range(MAX_CARRIED_KEYS + 2)}
    scene.cooldown.committed(quiet)
    assert len(scene.cooldown.carried) == MAX_CARRIED_KEYS
    assert "1" not in scene.cooldown.carried
    assert "2" in scene.cooldown.carried
