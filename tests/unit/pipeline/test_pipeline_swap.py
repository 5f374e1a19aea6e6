"""While one rule set takes another's place, nobody sees a part of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path

import pytest

from engine.pipeline.active_rules import ActiveRules, prepare
from engine.schema.event import make_event
from engine.stream.record import Record
from tests.support.rule_files import load_text
from tests.unit.pipeline.test_pipeline import Bench
from tests.unit.plate import plate_event, plate_record

RULE_COUNT = 40
ANSWERS = 2_000
# Every event matches all rules of a set, whose ids tell the set.
RULES = "channels: {SET: 'json://localhost'}\nrules:\n" + "".join(
    f"  - {{id: SET-{number}, when: 'plate.normalized_text != \"{number}\"', notify: [SET], "
    "rate_limit: {enabled: false}}\n"
    for number in range(RULE_COUNT)
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, RULES.replace("SET", "one"))
    with bench.store:
        yield bench


@pytest.fixture
def sets(bench: Bench, tmp_path: Path) -> tuple[ActiveRules, ActiveRules]:
    other = prepare(load_text(RULES.replace("SET", "two"), tmp_path))
    return bench.pipeline.in_force, other


def test_every_answer_during_swaps_is_wholly_of_one_set(
    bench: Bench, sets: tuple[ActiveRules, ActiveRules]
) -> None:
    event = make_event(plate_event(), zone=UTC)
    answers: list[tuple[str, ...]] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            found = bench.pipeline.in_force.match(event)
            answers.append(tuple(match.rule_id for match in found.matches))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    swaps = 0
    while len(answers) < ANSWERS or len(set(answers[-ANSWERS:])) < 2:
        bench.pipeline.use(sets[swaps % 2])
        swaps += 1
    is_over.set()
    for asker in askers:
        asker.join()
    whole = {tuple(f"{name}-{number}" for number in range(RULE_COUNT)) for name in ("one", "two")}
    assert set(answers) == whole


class Interrupted(list[Record]):
    """A batch in whose midst something happens."""

    def __init__(self, records: list[Record], act: Callable[[], None]) -> None:
        super().__init__(records)
        self._act = act

    def __iter__(self) -> Iterator[Record]:
        half = len(self) // 2
        for number, record in enumerate(super().__iter__()):
            if number == half:
                self._act()
            yield record


def test_a_batch_is_wholly_by_the_set_that_it_began_with(
    bench: Bench, sets: tuple[ActiveRules, ActiveRules]
) -> None:
    one, two = sets
    records = [plate_record(number) for number in range(4)]
    batch = bench.pipeline.process(Interrupted(records, lambda: bench.pipeline.use(two)))
    assert len(batch.processed) == 4
    assert {new.alert.rule_id.partition("-")[0] for new in batch.alerts} == {"one"}
    assert {channel for new in batch.alerts for channel, _ in new.targets} == {"one"}
    assert len(batch.alerts) == 4 * RULE_COUNT
    batch = bench.pipeline.process([plate_record(4)])
    assert {new.alert.rule_id.partition("-")[0] for new in batch.alerts} == {"two"}
    assert {channel for new in batch.alerts for channel, _ in new.targets} == {"two"}
    assert bench.pipeline.in_force is two
    assert one.rule_set is not two.rule_set
