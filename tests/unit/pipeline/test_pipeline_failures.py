"""Whatever fails on one record costs that record, and nothing else of its batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog

from engine.errors import StoreUnavailableError
from engine.metrics import Metrics
from engine.pipeline.active_rules import prepare
from engine.pipeline.cooldown import Cooldown
from engine.pipeline.event_log import EventLog
from engine.pipeline.pipeline import Pipeline
from engine.store import Ask, Batch, Past, Store, open_store
from engine.stream.decoder import Decoder
from engine.stream.record import DeadLetterType, Record
from tests.support.avro import plate_schema
from tests.support.rule_files import load_text
from tests.unit.manual_time import ManualTime
from tests.unit.plate import NOON, Writers, plate_record

RULES = """
channels: {ops: 'json://localhost'}
rules:
  - {id: every, when: 'true', notify: [ops], message_template: 'seen {plate.normalized_text}'}
  - {id: broken, when: 'vehicle.make.startsWith("T")', notify: []}
"""
# A store that is well, and takes no message with this word.
TRIGGER = """
CREATE TRIGGER picky BEFORE INSERT ON alerts WHEN NEW.message LIKE '%POISON%'
BEGIN SELECT RAISE(ABORT, 'not this one'); END
"""


class PickyStream:
    """The stream of a store whose file refuses one word; closed before its `closed_at`th use."""

    def __init__(self, folder: Path, closed_at: int | None = None) -> None:
        self.store = open_store(f"sqlite:///{folder}/alerts.db")
        self._uses_left = closed_at
        with closing(sqlite3.connect(folder / "alerts.db")) as database:
            database.executescript(TRIGGER)

    def decide(self, ask: Ask, decide: Callable[[Past], Batch]) -> Batch:
        if self._uses_left is not None:
            self._uses_left -= 1
            if self._uses_left == 0:
                self.store.close()
        return self.store.stream.decide(ask, decide)


def pipeline_on(stream: Any, folder: Path, metrics: Metrics) -> Pipeline:
    time, zone = ManualTime(), NOON.tzinfo
    assert zone is not None
    pipeline = Pipeline(
        Decoder(plate_schema(), Writers(), zone),
        Cooldown(timer=time.monotonic),
        stream,
        metrics,
        time,
        max_alert_age_seconds=3600,
        write_log=EventLog(time, log_plates=False).write,
        kill_point=lambda name: None,
    )
    pipeline.use(prepare(load_text(RULES, folder)))
    return pipeline


def seen(plate: str, seconds: float = 0.0, **fields: Any) -> Record:
    return plate_record(seconds, plate={"normalized_text": plate}, **fields)


def messages(store: Store) -> list[str]:
    return sorted(stored.alert.message for stored in store.archive.alerts(100))


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Logs whose lines about one camera can't be made."""

    def fail(logger: Any, method: str, line: structlog.typing.EventDict) -> str:
        if line.get("camera_id") == "cam-unspeakable":
            raise UnicodeError("no word for it")
        raise structlog.DropEvent

    structlog.configure(processors=[fail])
    yield
    structlog.reset_defaults()


def test_an_alert_that_the_store_does_not_take_is_the_only_one_lost(tmp_path: Path) -> None:
    stream, metrics = PickyStream(tmp_path), Metrics()
    with stream.store as store:
        pipeline = pipeline_on(stream, tmp_path, metrics)
        records = [seen("AAA111"), seen("POISON"), seen("BBB222"), seen("AAA111", 10)]
        batch = pipeline.process(records)
        assert len(batch.processed) == 4
        (letter,) = batch.dead_letters
        assert letter.record is records[1]
        assert letter.error_type is DeadLetterType.PROCESSING_FAILURE
        assert letter.message.startswith("UnstorableError: ")
        assert "not this one" in letter.message
        assert letter.stack_trace is not None
        assert messages(store) == ["seen AAA111", "seen BBB222"]
        assert [alert.alert_id for alert in batch.fresh] == [
            new.alert.alert_id for new in batch.alerts
        ]
        assert len(batch.fresh) == 2
        # Each was counted once, the one that was lost as read only.
        assert metrics.total("events_consumed_total") == 4
        assert metrics.total("alerts_triggered_total") == 2
        assert metrics.total("alerts_rate_limited_total") == 1


def test_an_alert_that_was_not_stored_holds_back_no_other(tmp_path: Path) -> None:
    stream, metrics = PickyStream(tmp_path), Metrics()
    with stream.store as store:
        pipeline = pipeline_on(stream, tmp_path, metrics)
        assert len(pipeline.process([seen("POISON"), seen("POISON", 5)]).dead_letters) == 2
        with sqlite3.connect(tmp_path / "alerts.db") as database:
            database.execute("DROP TRIGGER picky")
        batch = pipeline.process([seen("POISON", 10)])
        assert (len(batch.fresh), batch.dead_letters) == (1, [])
        assert messages(store) == ["seen POISON"]


def test_a_store_that_goes_away_meanwhile_settles_what_came_before(tmp_path: Path) -> None:
    # The first use is for the whole batch, the second for the first record alone.
    stream, metrics = PickyStream(tmp_path, closed_at=3), Metrics()
    pipeline = pipeline_on(stream, tmp_path, metrics)
    batch = pipeline.process([seen("AAA111"), seen("POISON"), seen("BBB222")])
    assert len(batch.processed) == 1
    assert isinstance(batch.interruption, StoreUnavailableError)
    assert (len(batch.fresh), batch.dead_letters) == (1, [])
    assert metrics.total("events_consumed_total") == 1


def test_a_store_that_is_away_is_no_fault_of_a_record(tmp_path: Path) -> None:
    stream = PickyStream(tmp_path, closed_at=1)
    pipeline = pipeline_on(stream, tmp_path, Metrics())
    with pytest.raises(StoreUnavailableError):
        pipeline.process([seen("AAA111"), seen("POISON")])


def test_a_log_line_that_fails_leaves_the_alert_stored_once(tmp_path: Path, unlogged: None) -> None:
    metrics = Metrics()
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        pipeline = pipeline_on(store.stream, tmp_path, metrics)
        bad = seen("AAA111", camera_id="cam-unspeakable")
        batch = pipeline.process([bad, seen("BBB222")])
        assert len(batch.processed) == 2
        (letter,) = batch.dead_letters
        assert (letter.record, letter.message) == (bad, "UnicodeError: no word for it")
        assert letter.error_type is DeadLetterType.PROCESSING_FAILURE
        assert messages(store) == ["seen AAA111", "seen BBB222"]
        assert len(batch.fresh) == 2
        assert metrics.total("alerts_triggered_total") == 2
        # The record comes again from its letter: it is known.
        again = pipeline.process([bad])
        assert (again.fresh, again.dead_letters) == ([], [])
        assert metrics.total("alerts_triggered_total") == 2


def test_a_record_that_fails_twice_is_one_letter(tmp_path: Path, unlogged: None) -> None:
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        pipeline = pipeline_on(store.stream, tmp_path, Metrics())
        # Its time is replaced, and it alerts: two lines that can't be written.
        late = seen("AAA111", camera_id="cam-unspeakable", captured_at="2026-03-09T00:00:00Z")
        batch = pipeline.process([late])
        assert len(batch.dead_letters) == 1
        assert messages(store) == ["seen AAA111"]
