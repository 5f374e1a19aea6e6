"""A schema registry that misbehaves, as the running engine meets it: no event is lost to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.demo.street import EventPublisher
from tests.acceptance.test_poison import dead_letters
from tests.support.avro import changed
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.odd_registry import Oddity, OddRegistry
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA
from tests.support.stream import Publisher

SHIPPED = EVENT_SCHEMA.read_text(encoding="utf-8")
NEWER = changed(lambda raw: raw["fields"].append({"name": "lane", "type": "int", "default": 0}))
DEAD = "alert_engine_dead_letters_total"
# A minute until the registry is believed.
BELIEF_SECONDS = 60.0 + PATIENCE_SECONDS


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    """One webhook that is told of every plate."""
    with open_gate(broker, tmp_path) as opened:
        yield opened


@contextmanager
def odd_registry(gate: Gate) -> Iterator[OddRegistry]:
    """The gate's registry as the engine sees it; the cameras go on seeing it as it is."""
    with OddRegistry() as registry:
        registry._schemas = gate.registry._schemas
        yield registry
        registry.oddity = None


def see(gate: Gate, plate: str, partition: int, schema: str = SHIPPED, schema_id: int = 0) -> None:
    """Publish one sighting into a partition; with `schema_id`, as if written with that."""
    servers = gate.site.broker.bootstrap_servers
    with EventPublisher(servers, gate.registry.url, schema, gate.site.topic) as publisher:
        value = publisher.encode(sighting(plate, datetime.now(UTC)))
        if schema_id:
            value = value[:1] + schema_id.to_bytes(4, "big") + value[5:]
    Publisher(servers).publish(gate.site.topic, value, key=plate.encode(), partition=partition)


@pytest.mark.slow
def test_a_registry_that_answers_nonsense_for_a_moment_costs_no_event(gate: Gate) -> None:
    plates = gate.see(30)
    with odd_registry(gate) as registry:
        # It has started, and has not read its topic yet.
        registry.oddity = Oddity.NO_SCHEMA_YET
        with gate.site.start(SCHEMA_REGISTRY_URL=registry.url) as engine:
            engine.wait_for_line('"stream.waiting"')
            engine.wait_for_check("consuming", "schema")
            # It mistakes one schema for another, and says so to the next question.
            registry.oddity, registry.is_odd = Oddity.OTHER_SCHEMA, is_about_an_id
            registry.begun.clear()
            assert registry.begun.wait(PATIENCE_SECONDS)
            registry.oddity = None
            gate.await_plates(plates)
            gate.site.await_consumed()
            engine.wait_ready()
            assert engine.metric(DEAD, error_type="SCHEMA_VALIDATION") in (None, 0)
            assert engine.stop() == 0
    assert gate.counts() == dict.fromkeys(plates, 1)


def is_about_an_id(path: str) -> bool:
    return path.startswith("/schemas/ids/")


@pytest.mark.slow
@pytest.mark.parametrize("oddity", [Oddity.DRIPPING_HEADER, Oddity.DRIPPING_BODY])
def test_a_registry_that_drips_holds_up_neither_other_partitions_nor_the_end(
    gate: Gate, oddity: Oddity
) -> None:
    with odd_registry(gate) as registry:
        with gate.site.start(SCHEMA_REGISTRY_URL=registry.url) as engine:
            see(gate, "FIRST1", 1)
            gate.await_plates(["FIRST1"])
            registry.oddity = oddity
            see(gate, "NEWER1", 0, NEWER)
            engine.wait_for_line('"stream.waiting"')
            see(gate, "SECOND", 1)
            see(gate, "THIRD1", 2)
            gate.await_plates(["SECOND", "THIRD1"])
            body = engine.wait_for_check("consuming", "schema registry")
            # The others are read.
            assert body["status"] == "degraded"
            assert body["checks"]["consuming"]["waiting"] == [f"{gate.site.topic}/0"]
            assert engine.metric("alert_engine_consuming") == 1
            assert engine.stop() == 0
            assert "engine.cut_short" not in engine.output
            assert "Traceback" not in engine.output
        with gate.site.start() as engine:
            gate.await_plates(["NEWER1"])
            assert engine.stop() == 0
    assert gate.counts() == dict.fromkeys(["FIRST1", "NEWER1", "SECOND", "THIRD1"], 1)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_unknown_schemas_are_dead_letters_after_a_minute_and_the_rest_goes_on(
    gate: Gate, broker: Broker
) -> None:
    with gate.site.start() as engine:
        see(gate, "FIRST1", 0)
        gate.await_plates(["FIRST1"])
        # Ten of them take no longer than one.
        for schema_id in range(990, 1000):
            see(gate, "LOST01", 0, schema_id=schema_id)
        see(gate, "BEHIND", 0)
        engine.wait_for_line('"stream.waiting"')
        see(gate, "SECOND", 1)
        gate.await_plates(["SECOND"])
        assert engine.metric(DEAD, error_type="SCHEMA_VALIDATION") in (None, 0)
        gate.await_plates(["BEHIND"], BELIEF_SECONDS)
        assert engine.wait_for_metric(DEAD, 10, error_type="SCHEMA_VALIDATION") == 10
        engine.wait_ready()
        # By now it is believed at once.
        see(gate, "LOST01", 0, schema_id=999)
        see(gate, "THIRD1", 0)
        gate.await_plates(["THIRD1"])
        gate.site.await_consumed()
        assert engine.stop() == 0
    assert gate.counts() == dict.fromkeys(["FIRST1", "BEHIND", "SECOND", "THIRD1"], 1)
    letters = dead_letters(broker, gate.registry.url, gate.site.dlq_topic, 11)
    for letter in letters:
        assert "is SCHEMA_REGISTRY_URL the registry that the producer" in letter["error_message"]
