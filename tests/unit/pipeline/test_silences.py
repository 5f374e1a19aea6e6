"""A silence keeps matches from being sent, by the time of their events, and touches no other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import structlog

from engine.cli.silences import would_have_silenced
from engine.errors import SilenceError, StoreError, StoreUnavailableError
from engine.metrics import Metrics
from engine.pipeline.active_rules import prepare
from engine.pipeline.cooldown import Cooldown
from engine.pipeline.event_log import EventLog
from engine.pipeline.outcome import Verdict
from engine.pipeline.pipeline import BatchResult, Pipeline
from engine.pipeline.silences import (
    REFRESH_SECONDS,
    SilencesInForce,
    StoredSilences,
    compile_silence,
)
from engine.schema import EventSchema
from engine.schema.event import make_event
from engine.simulate import GivenEvents
from engine.store import Silence, Store
from engine.store.temporary import open_temporary
from engine.stream.decoder import Decoder
from engine.watchlist import standard_costs
from tests.support.avro import plate_schema, record_schema
from tests.support.plate_costs import changed_costs
from tests.unit.manual_time import ManualTime
from tests.unit.plate import NOON, Writers, plate_event, plate_record
from tests.unit.rules.rule_text import load

NOON_US = int(NOON.timestamp() * 1e6)
SECOND_US = 1_000_000
RULES = """\
channels: {ops: 'json://localhost'}
rules:
  - id: seen
    when: plate.confidence > 0.5
    notify: [ops]
    rate_limit: {cooldown_seconds: 300}
    message_template: "{plate.normalized_text}, {suppressed_count} before"
  - {id: each, when: plate.confidence > 0.9, notify: [ops], rate_limit: {enabled: false}}
"""


class Bench:
    """A pipeline on a store of its own, which reads its silences there."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.store = store
        self.time = ManualTime()
        self.metrics = Metrics()
        self.events = GivenEvents(plate_schema())
        self.stored = StoredSilences(store.silences, plate_schema(), self.time.monotonic)
        self.pipeline = Pipeline(
            self.events,
            Cooldown(timer=self.time.monotonic),
            store.stream,
            self.metrics,
            self.time,
            max_alert_age_seconds=3600,
            write_log=EventLog(self.time, log_plates=False).write,
            kill_point=lambda name: None,
            silences=self.stored.current,
        )
        self.pipeline.use(prepare(load(folder, RULES)))

    def add(self, first: float, end: float, **matchers: str) -> str:
        """Store a silence from and until so many seconds after noon, and wait until it counts."""
        self.time.seconds += REFRESH_SECONDS
        return self.store.silences.add(silence(first, end, **matchers)).silence_id

    def process(self, *seconds: float, **fields: Any) -> BatchResult:
        """What becomes of readings at noon and so many seconds, in one batch."""
        fields.setdefault("plate", {"confidence": 0.8})
        return self.pipeline.process(
            [self.events.record(plate_event(each, **fields)) for each in seconds]
        )

    def verdicts(self, *seconds: float, **fields: Any) -> list[Verdict]:
        return [each.verdict for each in self.process(*seconds, **fields).outcomes]


def silence(first: float = 0, end: float = 3600, /, **matchers: str) -> Silence:
    """One from and until so many seconds after noon."""
    starts_us, ends_us = (NOON_US + round(each * SECOND_US) for each in (first, end))
    return Silence(starts_us=starts_us, ends_us=ends_us, **matchers)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_temporary() as store:
        yield Bench(tmp_path, store)


def found(given: Silence, rule_id: str = "seen", seconds: float = 60, **fields: Any) -> bool:
    """Whether the silence covers a match of the rule on a reading of ABC123 at cam-1."""
    event = make_event(plate_event(seconds, **fields), zone=UTC)
    return SilencesInForce([given], plate_schema()).find(rule_id, event) is given


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ({"rule_id": "seen"}, True),
        ({"rule_id": "other"}, False),
        ({"plate": "ABC123"}, True),
        ({"plate": "abc-123"}, True),
        ({"plate": "АВС 123"}, True),
        ({"plate": "ABC12"}, False),
        ({"camera_id": "cam-1"}, True),
        ({"camera_id": "cam-10"}, False),
        ({"condition": "plate.confidence < 0.99"}, True),
        ({"condition": "plate.confidence < 0.9"}, False),
        ({"rule_id": "seen", "plate": "ABC123", "camera_id": "cam-1"}, True),
        ({"rule_id": "other", "plate": "ABC123"}, False),
        ({"plate": "ABC123", "camera_id": "cam-2"}, False),
        ({"plate": "ABC123", "condition": "plate.confidence < 0.9"}, False),
    ],
)
def test_all_matchers_of_a_silence_must_fit(matchers: dict[str, str], expected: bool) -> None:
    assert found(silence(**matchers)) is expected


def test_a_silence_covers_what_was_captured_from_its_start_until_before_its_end() -> None:
    given = silence(10, 20, plate="ABC123")
    assert [found(given, seconds=each) for each in (9.999, 10, 19.999, 20)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_near_match_is_silenced_by_the_plate_read_and_by_the_plate_meant() -> None:
    event = make_event(plate_event(60, plate={"normalized_text": "A8C123"}), zone=UTC)
    asked: list[str] = []

    def meant() -> str:
        asked.append("ABC123")
        return "ABC123"

    def is_silenced(**matchers: str) -> bool:
        in_force = SilencesInForce([silence(**matchers)], plate_schema())
        return in_force.find("seen", event, meant) is not None

    assert is_silenced(plate="A8C123")
    assert not is_silenced(rule_id="other")
    assert not asked, "it is known without"
    assert is_silenced(plate="ABC-123")
    assert not is_silenced(plate="ABC124")
    assert not is_silenced(plate="ABC123", camera_id="elsewhere")
    assert not is_silenced(plate="ABC123", rule_id="other")


def test_a_stored_silence_of_a_plate_covers_the_near_matches_of_a_rule(tmp_path: Path) -> None:
    rules = (
        "channels: {ops: 'json://localhost'}\n"
        "rules: [{id: near, when: 'similar(plate.normalized_text, \"ABC123\")', notify: [ops]}]\n"
    )
    with open_temporary() as store:
        bench = Bench(tmp_path, store)
        bench.pipeline.use(prepare(load(tmp_path, rules)))
        silence_id = bench.add(0, 3600, plate="ABC123")
        near = {"normalized_text": "A8C123"}
        (outcome,) = bench.process(60, plate=near).outcomes
        assert (outcome.verdict, outcome.silenced_by) == (Verdict.SILENCED, silence_id)
        assert bench.verdicts(3700, plate=near) == [Verdict.ALERT]
        alerts = store.archive.alerts(9)
        for plate, count in (("ABC123", 2), ("A8C123", 2), ("ABC124", 0)):
            covered = would_have_silenced(
                silence(plate=plate), alerts, plate_schema(), standard_costs()
            )
            assert covered["near"] == count


def test_conditions_of_silences_go_by_the_costs_of_the_site(tmp_path: Path) -> None:
    given = silence(condition='similar(plate.normalized_text, "XBC123", 0.95)')
    event = make_event(plate_event(60, plate={"normalized_text": "YBC123"}), zone=UTC)
    costs = changed_costs(tmp_path)
    assert SilencesInForce([given], plate_schema()).find("seen", event) is None
    assert SilencesInForce([given], plate_schema(), costs=costs).find("seen", event) is given
    with open_temporary() as store:
        added = store.silences.add(given)
        stored = StoredSilences(store.silences, plate_schema(), ManualTime().monotonic, costs)
        assert stored.current().find("seen", event) == added


def test_a_plate_that_the_camera_did_not_normalise_is_silenced_too() -> None:
    assert found(silence(plate="ABC123"), plate={"normalized_text": "abc-123"})


def test_a_condition_that_fails_silences_nothing_and_is_logged_once() -> None:
    in_force = SilencesInForce([silence(condition="1 / latency_ms > 0")], plate_schema())
    event = make_event(plate_event(60), zone=UTC)
    with structlog.testing.capture_logs() as logs:
        assert [in_force.find(each, event) for each in ("seen", "other")] == [None, None]
    assert [(each["event"], each["error_type"]) for each in logs] == [
        ("silence.error", "division_by_zero")
    ]


@pytest.mark.parametrize(
    ("matchers", "message"),
    [
        ({}, "it would silence everything"),
        ({"condition": "  "}, "it would silence everything"),
        ({"plate": "--"}, "holds no letter A to Z and no digit"),
        ({"condition": "plate.confidnce < 0.9"}, "did you mean"),
        ({"condition": "plate.confidence"}, "must be true or false, but this is a double"),
        ({"condition": "camera_id =="}, "character"),
        ({"condition": 'camera_id in watchlist("x")'}, "silences know none"),
    ],
)
def test_a_silence_that_can_not_be_used_is_refused(matchers: dict[str, str], message: str) -> None:
    with pytest.raises(SilenceError, match=message):
        compile_silence(silence(**matchers), plate_schema())


def test_a_stored_silence_that_no_longer_fits_the_schema_is_logged_and_the_others_count() -> None:
    broken = silence(condition="lane == 3")
    good = silence(plate="ABC123")
    with structlog.testing.capture_logs() as logs:
        in_force = SilencesInForce([broken, good], plate_schema())
    assert [each["event"] for each in logs] == ["silence.unusable"]
    assert in_force.find("seen", make_event(plate_event(60), zone=UTC)) is good


def test_a_silence_that_stays_is_not_compiled_again() -> None:
    given = silence(condition="plate.confidence > 0.5")
    before = SilencesInForce([given], plate_schema())
    # By a schema without plates it could not be compiled.
    other = EventSchema.parse(record_schema({"name": "camera_id", "type": "string"}))
    event = make_event(plate_event(60), zone=UTC)
    assert SilencesInForce([given], other, before).find("seen", event) is given


def test_a_silenced_match_is_stored_once_and_sent_to_nobody(bench: Bench) -> None:
    silence_id = bench.add(0, 3600, plate="ABC123")
    with structlog.testing.capture_logs() as logs:
        result = bench.process(60, 120, 180)
    assert [each.verdict for each in result.outcomes] == [Verdict.SILENCED] * 3
    assert {each.silenced_by for each in result.outcomes} == {silence_id}
    assert [each.alert is not None for each in result.outcomes] == [True, False, False]
    (stored,) = bench.store.archive.alerts(10)
    assert (stored.silenced_by, stored.is_expired, stored.deliveries) == (silence_id, False, ())
    assert [fresh.targets for fresh in result.fresh] == [()]
    (line,) = [each for each in logs if each["event"].startswith("alert.")]
    assert (line["event"], line["silence_id"], line["plate"]) == (
        "alert.silenced",
        silence_id,
        "AB***",
    )
    text = bench.metrics.exposition().decode()
    assert 'alert_engine_alerts_silenced_total{rule_id="seen"} 3.0' in text
    assert bench.metrics.total("rules_matched_total") == 3
    for name in ("alerts_triggered", "alerts_rate_limited", "alerts_unrouted", "alerts_expired"):
        assert bench.metrics.total(f"{name}_total") == 0


def test_the_next_silenced_alert_says_how_many_were_silenced_since_the_one_before(
    bench: Bench,
) -> None:
    bench.add(0, 3600, plate="ABC123")
    bench.process(60, 120, 180, 400)
    newest, first = sorted(
        bench.store.archive.alerts(10), key=lambda each: each.time_us, reverse=True
    )
    assert (first.alert.suppressed_count, newest.alert.suppressed_count) == (0, 2)


def test_without_a_cooldown_each_silenced_match_is_stored(bench: Bench) -> None:
    bench.add(0, 3600, rule_id="each")
    result = bench.process(60, 120, plate={"confidence": 0.95})
    stored = [each.alert is not None for each in result.outcomes if each.rule.rule_id == "each"]
    assert stored == [True, True]


def test_the_first_match_after_a_silence_alerts_whatever_was_silenced_just_before(
    bench: Bench,
) -> None:
    bench.add(0, 100, plate="ABC123")
    assert bench.verdicts(98, 99, 100, 101) == [
        Verdict.SILENCED,
        Verdict.SILENCED,
        Verdict.ALERT,
        Verdict.SUPPRESSED,
    ]


def test_a_silence_neither_ends_nor_prolongs_the_cooldown_of_a_real_alert(bench: Bench) -> None:
    bench.add(100, 200, plate="ABC123")
    assert bench.verdicts(0, 150, 250, 301) == [
        Verdict.ALERT,
        Verdict.SILENCED,
        Verdict.SUPPRESSED,
        Verdict.ALERT,
    ]
    assert bench.store.archive.alerts(10)[0].alert.suppressed_count <= 1


def test_a_record_that_comes_again_during_a_silence_is_a_duplicate(bench: Bench) -> None:
    bench.process(60)
    bench.add(0, 3600, plate="ABC123")
    assert bench.verdicts(60) == [Verdict.DUPLICATE]
    assert bench.metrics.total("alerts_silenced_total") == 0


def test_an_old_match_that_is_silenced_is_silenced_and_not_expired(bench: Bench) -> None:
    bench.add(-9000, 0, plate="ABC123")
    (outcome,) = bench.process(-8000).outcomes
    assert outcome.verdict is Verdict.SILENCED
    assert bench.metrics.total("alerts_expired_total") == 0


def test_a_silence_is_in_force_half_a_second_after_it_was_stored(bench: Bench) -> None:
    assert bench.verdicts(0) == [Verdict.ALERT]
    bench.store.silences.add(silence(plate="ABC123"))
    bench.time.seconds += REFRESH_SECONDS
    assert bench.verdicts(301) == [Verdict.SILENCED]


def test_an_expired_silence_silences_nothing_that_was_captured_later(bench: Bench) -> None:
    now_us = bench.store.deliveries.now_us()
    behind = (now_us - NOON_US) / SECOND_US
    silence_id = bench.add(0, behind + 7200, plate="ABC123")
    assert bench.verdicts(behind) == [Verdict.SILENCED]
    bench.store.silences.expire(silence_id)
    bench.time.seconds += REFRESH_SECONDS
    assert bench.verdicts(behind - 60, behind + 600) == [Verdict.SILENCED, Verdict.ALERT]


def test_while_silences_can_not_be_read_no_match_is_decided(bench: Bench) -> None:
    bench.store.close()
    with pytest.raises(StoreError):
        bench.process(0)
    assert bench.metrics.total("rules_matched_total") == 0


def test_what_could_not_be_judged_is_judged_once_silences_can_be_read_again(
    bench: Bench, tmp_path: Path
) -> None:
    failures = [StoreUnavailableError()]

    def silences() -> SilencesInForce:
        if failures:
            raise failures.pop()
        return bench.stored.current()

    pipeline = Pipeline(
        Decoder(plate_schema(), Writers(), UTC),
        Cooldown(),
        bench.store.stream,
        bench.metrics,
        bench.time,
        max_alert_age_seconds=3600,
        write_log=lambda notes: None,
        kill_point=lambda name: None,
        silences=silences,
    )
    pipeline.use(prepare(load(tmp_path, RULES)))
    bench.add(0, 3600, plate="ABC123")
    records = [plate_record(60), plate_record(120)]
    with pytest.raises(StoreUnavailableError):
        pipeline.process(records)
    again = pipeline.process(records)
    assert [each.verdict for each in again.outcomes] == [Verdict.SILENCED] * 4
    assert again.dead_letters == []


def test_where_nothing_matches_no_silence_is_read(bench: Bench) -> None:
    bench.store.close()
    assert len(bench.process(0, plate={"confidence": 0.1}).processed) == 1
