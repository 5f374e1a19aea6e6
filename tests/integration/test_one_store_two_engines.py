"""Two engines that read the same cars at the same instant make the alerts of one."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.store import open_store
from engine.stream.record import Record
from tests.support.cooldown_runs import stored_count
from tests.support.patience import PATIENCE_SECONDS
from tests.unit.pipeline.test_pipeline import Bench
from tests.unit.plate import plate_record

pytestmark = pytest.mark.waits

RULES = """
channels: {ops: 'json://localhost'}
rules:
  - {id: every, when: 'true', notify: [ops], message_template: '{plate.normalized_text}'}
"""
#: Cars that the engines read at the same instant.
CARS_AT_ONCE = 100
ENGINES = 2


@pytest.fixture
def engines(database: str, tmp_path: Path) -> Iterator[list[Bench]]:
    """Pipelines with connections of their own to one PostgreSQL."""
    with ExitStack() as stack:
        stores = [stack.enter_context(open_store(database)) for _ in range(ENGINES)]
        yield [Bench(tmp_path, RULES, store) for store in stores]


def plate(car: int) -> str:
    return f"CAR{car:05}"


def seen(car: int, engine: int, seconds: float) -> Record:
    """A reading by the engine's own camera, some milliseconds after those of the others."""
    return plate_record(
        seconds + engine / 100,
        camera_id=f"cam-{engine}",
        plate={"text": plate(car), "normalized_text": plate(car)},
    )


def run_together(
    engines: Sequence[Bench], rounds: int, batch: Callable[[int, int], list[Record]]
) -> None:
    """Each engine processes `batch(round, engine)`, in every round at the same instant."""
    barrier = threading.Barrier(len(engines))
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            for each in range(rounds):
                records = batch(each, number)
                random.Random(f"{each} {number}").shuffle(records)
                barrier.wait(PATIENCE_SECONDS)
                result = engines[number].pipeline.process(records)
                assert (len(result.processed), result.dead_letters) == (len(records), [])
        except BaseException as error:
            barrier.abort()
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(engines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def total(engines: Sequence[Bench], name: str) -> float:
    return sum(engine.metrics.total(f"{name}_total") for engine in engines)


def alert_counts(engines: Sequence[Bench]) -> Counter[str]:
    """How many alerts are stored, by plate."""
    return Counter(each.alert.message for each in engines[0].store.archive.alerts(1_000_000))


@pytest.mark.slow
def test_ten_thousand_cars_are_one_alert_each(engines: list[Bench]) -> None:
    cars = 10_000

    def batch(number: int, engine: int) -> list[Record]:
        first = number * CARS_AT_ONCE
        return [seen(car, engine, 0) for car in range(first, first + CARS_AT_ONCE)]

    run_together(engines, cars // CARS_AT_ONCE, batch)
    assert engines[0].store.archive.rows()["alerts"] == cars
    assert total(engines, "alerts_triggered") == cars
    assert total(engines, "alerts_rate_limited") == cars * (ENGINES - 1)
    # Each was the first sometimes.
    assert all(total([engine], "alerts_triggered") > 0 for engine in engines)


def test_cars_that_come_again_are_suppressed_and_told_once(engines: list[Bench]) -> None:
    groups = 4

    def batch(number: int, engine: int) -> list[Record]:
        # The cars of one group come, those of the last one are still there, and those of the one
        # before come back when their cooldown is over.
        return [
            seen(group * CARS_AT_ONCE + car, engine, seconds)
            for group, seconds in ((number, 0), (number - 1, 100), (number - 2, 400))
            if 0 <= group < groups
            for car in range(CARS_AT_ONCE)
        ]

    run_together(engines, groups + 2, batch)
    cars = range(groups * CARS_AT_ONCE)
    assert alert_counts(engines) == {plate(car): 2 for car in cars}
    # Of six readings of a car two are alerts.
    assert total(engines, "alerts_rate_limited") == 4 * len(cars)
    store = engines[0].store
    alerts = store.archive.alerts(1_000_000)
    told = sum(each.alert.suppressed_count for each in alerts)
    keys = [f'["every",["plate.normalized_text"],["{plate(car)}"]]' for car in cars]
    stored = sum(stored_count(store.stream, key) for key in keys)
    carried = sum(sum(engine.cooldown.carried.values()) for engine in engines)
    assert told + stored + carried == 4 * len(cars)


def test_a_batch_that_two_engines_have_is_stored_once(engines: list[Bench]) -> None:
    # The partition was taken from one that had read it already, and goes on.
    records = [seen(car, 0, 0) for car in range(CARS_AT_ONCE)]
    run_together(engines, 1, lambda number, engine: [*records])
    assert alert_counts(engines) == {plate(car): 1 for car in range(CARS_AT_ONCE)}
    assert total(engines, "alerts_triggered") == CARS_AT_ONCE
    assert total(engines, "events_duplicate") == CARS_AT_ONCE
    assert total(engines, "alerts_rate_limited") == 0
