"""Verdicts are taken in the transaction that stores them, however often that is begun."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from engine.errors import StoreUnavailableError
from engine.pipeline.active_rules import prepare
from engine.pipeline.event_log import CUT_EVENT_SECONDS
from engine.store import MAX_EVENT_BYTES, Ask, Batch, Past, Stream
from engine.stream.record import DeadLetterType, Record
from tests.support.cooldown_runs import NOTHING
from tests.support.rule_files import load_text
from tests.unit.pipeline.test_pipeline import Bench
from tests.unit.plate import plate_record

RULES = """
channels: {ops: 'json://localhost'}
rules:
  - {id: every, when: 'true', notify: [ops], message_template: '{plate.text}'}
  - {id: tata, when: 'vehicle.make == "Tata"', notify: [ops], rate_limit: {enabled: false}}
"""


class WatchedStream:
    """A store's stream; it keeps what it was asked, and may decide on other pasts first."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.asked: list[Ask] = []
        self.earlier_pasts: list[Past] = []
        self.is_cut_off = False
        self.is_answer_lost = False

    def decide(self, ask: Ask, decide: Callable[[Past], Batch]) -> Batch:
        self.asked.append(ask)

        def decide_again(past: Past) -> Batch:
            for earlier in self.earlier_pasts:
                decide(earlier)
            batch = decide(past)
            if self.is_cut_off:
                raise StoreUnavailableError("away")
            return batch

        if self.is_answer_lost:
            self._stream.decide(ask, decide_again)
        return self._stream.decide(ask, decide_again)


class Scene(Bench):
    """A pipeline whose stream is watched."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, RULES, stream=self._watch)

    def _watch(self, stream: Stream) -> WatchedStream:
        self.stream = WatchedStream(stream)
        return self.stream

    def counted(self) -> dict[str, float]:
        """What was counted so far."""
        names = ("alerts_triggered", "alerts_rate_limited", "events_duplicate", "events_consumed")
        return {name: self.metrics.total(f"{name}_total") for name in names}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    with scene.store:
        yield scene


def seen(plate: str, seconds: float = 0.0, **fields: Any) -> Record:
    return plate_record(seconds, plate={"text": plate, "normalized_text": plate}, **fields)


def test_a_batch_that_is_decided_several_times_is_stored_and_counted_once(scene: Scene) -> None:
    scene.pipeline.process([seen("AAA111")])
    before = scene.counted()
    # Somebody else's alerts seem to be there, and are gone; nothing at all; then what there is.
    records = [seen("AAA111", 10), seen("BBB222", 20), seen("BBB222", 21)]
    key = '["every",["plate.normalized_text"],["BBB222"]]'
    others = Past((), {key: [records[1].timestamp_ms * 1000]}, {key: 7})
    scene.stream.earlier_pasts = [others, NOTHING]
    with structlog.testing.capture_logs() as logs:
        batch = scene.pipeline.process(records)
    scene.stream.earlier_pasts = []
    assert [new.alert.message for new in batch.alerts] == ["BBB222"]
    assert len(batch.fresh) == 1
    assert [line["event"] for line in logs] == ["alert.stored"]
    assert len(scene.store.archive.alerts(10)) == 2
    counted = scene.counted()
    assert {name: counted[name] - before[name] for name in counted} == {
        "alerts_triggered": 1,
        "alerts_rate_limited": 2,
        "events_duplicate": 0,
        "events_consumed": 3,
    }
    # The counts, of which the next alerts tell, are those of the last time too.
    batch = scene.pipeline.process([seen("AAA111", 1_000), seen("BBB222", 1_000)])
    assert [new.alert.suppressed_count for new in batch.alerts] == [1, 1]


def test_a_batch_whose_commit_was_not_answered_is_stored_and_counted_once(scene: Scene) -> None:
    scene.stream.is_answer_lost = True
    records = [seen("AAA111"), seen("AAA111", 1), seen("BBB222", 2)]
    with structlog.testing.capture_logs() as logs:
        batch = scene.pipeline.process(records)
    assert len(batch.fresh) == len(batch.alerts) == 2
    assert [line["event"] for line in logs] == ["alert.stored"] * 2
    assert scene.counted() == {
        "alerts_triggered": 2,
        "alerts_rate_limited": 1,
        "events_duplicate": 0,
        "events_consumed": 3,
    }
    assert scene.cooldown.carried == {}
    scene.pipeline.process([seen("AAA111", 1_000)])
    counts = [each.alert.suppressed_count for each in scene.store.archive.alerts(10)]
    assert sorted(counts) == [0, 0, 1]


def test_a_batch_that_is_cut_off_leaves_no_trace(scene: Scene) -> None:
    records = [seen("AAA111"), seen("AAA111", 1), seen("BBB222")]
    scene.stream.is_cut_off = True
    with structlog.testing.capture_logs() as logs, pytest.raises(StoreUnavailableError):
        scene.pipeline.process(records)
    assert logs == []
    assert set(scene.counted().values()) == {0}
    assert scene.store.archive.alerts(10) == []
    scene.stream.is_cut_off = False
    assert len(scene.pipeline.process(records).fresh) == 2
    assert scene.counted()["alerts_rate_limited"] == 1


def test_a_batch_without_matches_asks_the_store_nothing(scene: Scene, tmp_path: Path) -> None:
    scene.pipeline.use(prepare(load_text(RULES.replace("'true'", "'false'"), tmp_path)))
    batch = scene.pipeline.process([seen("AAA111"), seen("BBB222")])
    assert (len(batch.processed), batch.alerts, scene.stream.asked) == (2, [], [])


def test_what_the_cache_knows_to_be_suppressed_asks_for_its_id_only(scene: Scene) -> None:
    first = seen("AAA111")
    scene.pipeline.process([first])
    scene.pipeline.process([seen("AAA111", 1), first])
    asked, again = scene.stream.asked
    assert (len(asked.alert_ids), len(asked.moments)) == (1, 1)
    assert (len(again.alert_ids), len(again.moments)) == (2, 0)
    # Its cooldown holds it as well, but it counts as nothing.
    assert scene.counted()["events_duplicate"] == 1
    assert scene.counted()["alerts_rate_limited"] == 1


def test_a_batch_that_another_engine_has_stored_meanwhile_counts_as_duplicates(
    scene: Scene, tmp_path: Path
) -> None:
    other = Bench(tmp_path, RULES, scene.store)
    records = [seen("AAA111"), seen("BBB222", vehicle={"make": "Tata"}), seen("AAA111", 400)]
    stored = scene.pipeline.process(records).alerts
    zombie = other.pipeline.process(records)
    assert zombie.processed == records
    assert (zombie.alerts, zombie.fresh, zombie.dead_letters) == ([], [], [])
    assert len(scene.store.archive.alerts(10)) == len(stored) == 4
    assert other.metrics.total("events_duplicate_total") == 4
    assert other.metrics.total("rules_matched_total") == 0


class Defective:
    """A placeholder that fails, by a defect of ours, on one plate."""

    def render(self, bindings: Mapping[str, Any]) -> str:
        if bindings["plate"]["text"] == "BAD999":
            raise ZeroDivisionError("a defect of ours")
        return ""


def test_an_alert_that_can_not_be_made_suppresses_nothing_and_makes_one_letter(
    scene: Scene,
) -> None:
    rule_set = scene.pipeline.in_force.rule_set
    every, tata = rule_set.rules
    parts: Any = (Defective(),)
    template = dataclasses.replace(every.template, _parts=parts)
    limit = every.rate_limit
    assert limit is not None
    by_camera = dataclasses.replace(limit, keys=limit.keys[:0])
    broken = dataclasses.replace(every, template=template, rate_limit=by_camera)
    scene.pipeline.use(prepare(dataclasses.replace(rule_set, rules=(broken, tata))))
    # They share a cooldown, that of their track.
    bad = seen("BAD999", vehicle={"make": "Tata"})
    good, later = seen("AAA111", 1), seen("BBB222", 2, vehicle={"make": "Tata"})
    batch = scene.pipeline.process([bad, good, later])
    (letter,) = batch.dead_letters
    assert letter.record is bad
    assert letter.error_type is DeadLetterType.PROCESSING_FAILURE
    assert letter.message == "ZeroDivisionError: a defect of ours"
    assert "render" in (letter.stack_trace or "")
    assert batch.processed == [bad, good, later]
    assert [(new.alert.rule_id, new.offset) for new in batch.alerts] == [
        ("every", good.offset),
        ("tata", later.offset),
    ]
    assert scene.counted()["alerts_triggered"] == 2
    assert scene.counted()["alerts_rate_limited"] == 1


def test_an_event_that_is_too_large_is_stored_cut_and_logged_once_a_minute(scene: Scene) -> None:
    image = "data:" + "A" * MAX_EVENT_BYTES
    with structlog.testing.capture_logs() as logs:
        for number, seconds in enumerate((0.0, CUT_EVENT_SECONDS - 1, CUT_EVENT_SECONDS)):
            scene.time.seconds = seconds
            record = seen("AAA111", number * 400, images={"plate_url": image})
            assert len(scene.pipeline.process([record]).fresh) == 1
        scene.pipeline.process([seen("BBB222")])
    lines = [line for line in logs if line["event"] == "event.cut"]
    assert [line["camera_id"] for line in lines] == ["cam-1", "cam-1"]
    stored = [each.alert for each in scene.store.archive.alerts(10)]
    large = [alert for alert in stored if alert.message == "AAA111"]
    assert (len(stored), len(large)) == (4, 3)
    for alert in large:
        url = alert.event["images"]["plate_url"]
        assert url.startswith("data:AAA")
        kept = len(url.partition("…")[0])
        assert url.endswith(f"… ({len(image) - kept:,} characters cut)")
        assert alert.event["plate"]["text"] == "AAA111"
