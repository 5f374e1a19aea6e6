"""A car that has passed twice: its records in Kafka, and what the engine stored of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import Schema

from engine.pipeline.active_rules import prepare, targets_of
from engine.reload.loader import RuleSource
from engine.reload.recorder import RuleRecorder
from engine.rules import RuleSet
from engine.settings import Settings
from engine.simulate import Simulation
from engine.store import DeliveryState, Store, open_store
from engine.stream.decoder import Decoder
from engine.stream.record import Record, framed, schema_name
from engine.stream.registry import NO_OPTIONS, registry_client
from tests.support.avro import body, plate_schema
from tests.support.sightings import sighting
from tests.support.stored import finish
from tests.support.stream import Publisher
from tests.unit.plate import Writers

#: When it passes: it alerts, which is sent two seconds later, and then it does not.
FIRST, SECOND = timedelta(minutes=-3, seconds=-20), timedelta(seconds=11)
MARK_BYTES = 5


def let_a_car_pass(servers: str, registry_url: str, topic: str, rules: Path, folder: Path) -> None:
    """ABC123 is read at gate-2 at 13:58:40 and at 14:02:11, at the last 14:02 that was.

    The engine of the `folder` had the rules of the file in force, and has read both records.
    """
    now = datetime.now(UTC)
    two = now.replace(hour=14, minute=2, second=0, microsecond=0)
    two -= timedelta(days=two > now)
    records = _published(servers, registry_url, topic, two)
    clock = [(two - timedelta(hours=1)).timestamp()]
    folder.mkdir(exist_ok=True)
    with open_store(f"sqlite:///{folder / 'alerts.db'}", clock=lambda: clock[0]) as store:
        rule_set = _in_force(rules, store)
        for record in records:
            clock[0] = record.timestamp_ms / 1_000
            _process(record, rule_set, store)
            clock[0] += 2
            for target_id in targets_of(rule_set, store.key):
                finish(store, target_id, DeliveryState.SENT)
    _commit(servers, topic, len(records))


def _published(servers: str, registry_url: str, topic: str, two: datetime) -> list[Record]:
    registry = registry_client(registry_url, NO_OPTIONS)
    schema_id = registry.register_schema(f"{topic}-value", Schema(plate_schema().text, "AVRO"))
    registry.close()
    publisher = Publisher(servers)
    records = []
    for offset, after in enumerate((FIRST, SECOND)):
        value = framed(schema_id, body(sighting("ABC123", two + after, camera="gate-2")))
        at_ms = int((two + after).timestamp() * 1_000)
        publisher.publish(topic, value, partition=0, timestamp_ms=at_ms)
        records.append(Record(topic, 0, offset, at_ms, None, value))
    return records


def _in_force(rules: Path, store: Store) -> RuleSet:
    source = RuleSource(rules, plate_schema(), {}, UTC)
    rule_set = source.attempt(source.files.look(), {}).result
    assert isinstance(rule_set, RuleSet)
    recorder = RuleRecorder(store.rule_sets, "engine")
    recorder.use(rule_set)
    recorder.record()
    return rule_set


def _process(record: Record, rule_set: RuleSet, store: Store) -> None:
    assert record.value is not None
    writers = Writers()
    name = schema_name(record.value[:MARK_BYTES])
    assert isinstance(name, int)
    writers.schemas = {name: plate_schema().text}
    decoder = Decoder(plate_schema(), writers, UTC)
    with Simulation(prepare(rule_set), decoder, remembers=False, past=store.stream) as live:
        assert live.process([record]).processed == [record]


def _commit(servers: str, topic: str, offset: int) -> None:
    """The engine's group goes on behind these records."""
    group = Settings().kafka_group_id
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()
