"""Two engines, a redelivery and a sweep at once on one store: nothing fails, is lost or doubled."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import count, pairwise

import psycopg
import pytest

from engine.pipeline.cooldown import Cooldown, Verdicts, ask_of
from engine.pipeline.outcome import Verdict
from engine.store import (
    Ask,
    Batch,
    Claim,
    DeliveryState,
    Mark,
    NewAlert,
    OpenMode,
    Past,
    Store,
    Turn,
    open_store,
)
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.support.stored import claim, deliveries, finish, save, settle
from tests.unit.store.samples import DAY_SECONDS, START_SECONDS, Clock, Samples

TARGETS = ("hook/a", "hook/b")
KEYS = [f"car {number}" for number in range(8)]
COOLDOWN_SECONDS = 300.0
OLD = 600
RUN_SECONDS = 4.0


class Engine:
    """One engine's stream and claimer, and what they have done."""

    def __init__(self, number: int, store: Store, samples: Samples) -> None:
        self.made: list[NewAlert] = []
        self.suppressed = 0
        self.told = 0
        self.sent: Counter[int] = Counter()
        self.cooldown = Cooldown(capacity=4)
        self._store = store
        self._samples = samples
        self._name = f"engine-{number}"
        self._random = random.Random(number)
        self._steps = count()

    def stream(self) -> None:
        """Decide on one batch of matches."""
        at_us = int((START_SECONDS + 40 * next(self._steps)) * 1e6)
        news = [
            self._samples.new(*TARGETS, key=key, time_us=at_us + self._random.randrange(40_000_000))
            for key in self._random.sample(KEYS, 4)
        ]
        candidates = [
            self.cooldown.candidate(
                new.alert.alert_id, new.dedup_key, new.time_us, COOLDOWN_SECONDS
            )
            for new in news
        ]
        verdicts: list[Verdicts] = []
        made: list[NewAlert] = []

        def decide(past: Past) -> Batch:
            made.clear()
            verdicts.append(self.cooldown.verdicts(past))
            for new, candidate in zip(news, candidates, strict=True):
                if verdicts[-1].decide(candidate) is Verdict.ALERT:
                    told = verdicts[-1].suppressed_count(new.dedup_key)
                    verdicts[-1].made(candidate)
                    made.append(replace(new, alert=replace(new.alert, suppressed_count=told)))
            return Batch([*made], verdicts[-1].suppressed)

        self._store.stream.decide(ask_of(candidates), decide)
        self.cooldown.committed(verdicts[-1])
        self.made += made
        self.told += sum(new.alert.suppressed_count for new in made)
        self.suppressed += len(news) - len(made)

    def deliver(self) -> int:
        """Claim what is due and mark it as sent, in two turns; how many there were."""

        def take(turn: Turn) -> list[Mark]:
            for state in turn.due_targets()():
                turn.claim(state, 5, self._name, 60.0)
            return [Mark(each, DeliveryState.SENT, 1) for each in turn.claims()()]

        marks = self._store.deliveries.turn(take)

        def write(turn: Turn) -> frozenset[int]:
            turn.targets({mark.claim.target_id for mark in marks})
            return turn.mark(marks, self._name)()

        self.sent.update(self._store.deliveries.turn(write))
        return len(marks)


@pytest.fixture
def other(url: str, store: Store, clock: Clock) -> Iterator[Store]:
    """The store of another engine: with SQLite, where there is none, another process."""
    with open_store(url, store_mode(url), clock=clock, busy_timeout_seconds=30.0) as opened:
        yield opened


def store_mode(url: str) -> OpenMode:
    return OpenMode.TOOL if url.startswith("sqlite") else OpenMode.ENGINE


@pytest.mark.slow
def test_two_engines_a_redelivery_and_a_sweep(
    url: str, other: Store, clock: Clock, samples: Samples
) -> None:
    # Another one than that of the fixture, which waits a tenth of a second only.
    with open_store(url, OpenMode.TOOL, clock=clock, busy_timeout_seconds=30.0) as one:
        check_side_by_side(one, other, clock, samples)


def check_side_by_side(one: Store, other: Store, clock: Clock, samples: Samples) -> None:
    one.deliveries.register(dict.fromkeys(TARGETS, ("hook", 4)))
    clock.seconds -= 90 * DAY_SECONDS
    old = [samples.new("hook/a", time_us=clock.us) for _ in range(OLD)]
    save(one, old)
    finish(one, "hook/a", DeliveryState.SENT)
    clock.seconds += 90 * DAY_SECONDS
    engines = [
        Engine(number, each, Samples(1_000_000 * number))
        for number, each in enumerate((one, other), 1)
    ]
    chance = random.Random(7)
    reopened: list[int] = []
    swept: list[int] = []

    def redeliver() -> None:
        asked = [new.alert.alert_id for new in chance.sample(old, 20)]
        reopened.append(other.archive.redeliver(asked).reopened)
        other.archive.redeliver(channel="hook", dead_since_us=0)

    def sweep() -> None:
        swept.append(one.archive.sweep(30 * DAY_SECONDS, COOLDOWN_SECONDS, clock.us))
        time.sleep(0.05)

    works: list[Callable[[], object]] = [redeliver, sweep]
    for engine in engines:
        works += [engine.stream, engine.deliver]
    until = time.monotonic() + RUN_SECONDS

    def repeat(work: Callable[[], object]) -> int:
        for done in count(1):
            work()
            if time.monotonic() > until:
                return done
        raise AssertionError

    with ThreadPoolExecutor(len(works)) as pool:
        for each in [pool.submit(repeat, work) for work in works]:
            assert each.result() > 0
    while any(engine.deliver() for engine in engines):
        pass

    made = [new for engine in engines for new in engine.made]
    stored = {each.alert.alert_id: each for each in one.archive.alerts(1_000_000)}
    assert {new.alert.alert_id for new in made} <= stored.keys()
    assert sum(swept) > 0
    assert stored.keys() - {new.alert.alert_id for new in made} <= {
        new.alert.alert_id for new in old
    }
    for key in KEYS:
        times = sorted(new.time_us for new in made if new.dedup_key == key)
        assert all(late - early >= COOLDOWN_SECONDS * 1e6 for early, late in pairwise(times))
    # What was suppressed is told by an alert, stored for the next one, or on its way there.
    carried = sum(sum(engine.cooldown.carried.values()) for engine in engines)
    known: list[Past] = []

    def look(past: Past) -> Batch:
        known.append(past)
        return Batch((), {})

    one.stream.decide(Ask((), dict.fromkeys(KEYS, ())), look)
    total = sum(engine.told for engine in engines) + carried + sum(known[0].counts.values())
    assert total == sum(engine.suppressed for engine in engines)
    sent = sum((engine.sent for engine in engines), Counter[int]())
    assert set(sent.values()) == {1}
    assert len(sent) == len(made) * len(TARGETS) + sum(reopened)


@pytest.fixture
def engines(migrated: str, url: str) -> Iterator[tuple[Store, Store]]:
    """Two engines on one PostgreSQL, by the server's clock."""
    if url != migrated:
        pytest.skip("a file has one writer")
    with open_store(url) as first, open_store(url) as second:
        yield first, second


def await_waiter(url: str) -> None:
    """Return when some transaction waits for a lock of another one."""
    query = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with psycopg.connect(url, autocommit=True) as watcher:
        await_that(lambda: watcher.execute(query).fetchone() == (True,))


def test_what_is_being_claimed_is_neither_given_up_nor_handed_over(
    engines: tuple[Store, Store], url: str, samples: Samples
) -> None:
    one, other = engines
    save(one, [samples.new("mail/ann") for _ in range(2)])
    one.deliveries.register({"mail/ann": ("mail", 1)})
    ends: list[Callable[[], int]] = [
        lambda: other.deliveries.give_up("mail/ann", "channel_removed"),
        lambda: other.deliveries.hand_over("mail/ann", {"mail/bob": ("mail", ())}),
    ]
    for end in ends:
        assert claim_during(end, one, url) == 0
        one.deliveries.renew("one", 60.0, [])
    assert len(deliveries(one, "mail/ann")) == 2


def claim_during(end: Callable[[], int], store: Store, url: str) -> int:
    """Claim two deliveries while `end` waits for their target; what it has returned then."""
    running: list[Future[int]] = []
    with ThreadPoolExecutor(1) as pool:

        def work(turn: Turn) -> list[int]:
            (state,) = turn.due_targets()()
            running.append(pool.submit(end))
            await_waiter(url)
            return turn.claim(state, 2, "one", 60.0)()

        assert len(store.deliveries.turn(work)) == 2
        return running[0].result(PATIENCE_SECONDS)


def test_a_sweep_leaves_what_is_redelivered_meanwhile(
    engines: tuple[Store, Store], url: str, samples: Samples
) -> None:
    one, other = engines
    old_us = 1_000_000
    new = samples.new("mail/ann", "mail/bob", time_us=old_us)
    save(one, [new])
    for target in ("mail/ann", "mail/bob"):
        settle(one, claim(one, target), DeliveryState.DEAD)
    later_us = int((time.time() + 99 * DAY_SECONDS) * 1e6)
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(url.replace("alerts@", "postgres@")) as person,
    ):
        # As a redelivery does, which has not come to its end.
        person.execute("UPDATE deliveries SET state = 'waiting' WHERE target_id = 'mail/bob'")
        sweeping = pool.submit(other.archive.sweep, DAY_SECONDS, 0, later_us)
        await_waiter(url)
        person.commit()
        sweeping.result(PATIENCE_SECONDS)
    assert [each.alert.alert_id for each in claim_alerts(one)] == [new.alert.alert_id]


def claim_alerts(store: Store) -> list[Claim]:
    return claim(store, "mail/bob")


def test_an_event_stays_on_which_another_rule_alerts_during_a_sweep(
    engines: tuple[Store, Store], url: str, samples: Samples
) -> None:
    one, other = engines
    first = samples.new(time_us=1_000_000)
    second = replace(samples.new("mail/ann", rule_id="another"), digest=first.digest)
    save(one, [first])
    later_us = int((time.time() + 99 * DAY_SECONDS) * 1e6)
    with ThreadPoolExecutor(1) as pool:

        def decide(past: Past) -> Batch:
            sweeping.append(pool.submit(other.archive.sweep, DAY_SECONDS, 0, later_us))
            await_waiter(url)
            return Batch([second], {})

        sweeping: list[Future[int]] = []
        one.stream.decide(Ask([second.alert.alert_id], {}), decide)
        assert sweeping[0].result(PATIENCE_SECONDS) == 1
    (claimed,) = claim(one, "mail/ann")
    assert claimed.alert.event == samples.event


@pytest.mark.parametrize("hours", [-5, 5])
def test_machines_whose_clocks_are_hours_apart_go_by_the_databases(
    engines: tuple[Store, Store], samples: Samples, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    one, other = engines
    save(one, [samples.new("mail/ann") for _ in range(2)])
    one.deliveries.keep_time(0)
    (first, second) = claim(one, "mail/ann")
    later = Mark(second, DeliveryState.WAITING, 1, next_try_us=one.deliveries.now_us() + 60_000_000)
    one.deliveries.turn(lambda turn: turn.mark([later], "a-test"))
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + hours * 3600)
    monkeypatch.setattr(time, "time_ns", lambda: int((right() + hours * 3600) * 1e9))
    assert abs(other.deliveries.now_us() / 1e6 - right()) < 60.0
    # One is being sent, one is not due: on the other machine neither.
    assert claim(other, "mail/ann", owner="other") == []
    assert other.deliveries.keep_time(0) == 0
    other.deliveries.renew("other", 60.0, [])
    assert other.archive.sweep(DAY_SECONDS, 0, other.archive.begin_sweep()) == 0
    monkeypatch.undo()
    settle(one, [first], DeliveryState.SENT)
    assert len(deliveries(one, "mail/ann")) == 1
