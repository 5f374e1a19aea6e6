"""Retention that passes an engine that is down: it says what was lost, and reads what is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.support.gate import Gate, open_gate
from tests.support.kafka import PARTITIONS, Broker
from tests.support.retention import delete_before


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    """One webhook that is told of every plate."""
    if not broker.is_real:
        pytest.skip("the mock cluster deletes nothing")
    with open_gate(broker, tmp_path) as opened:
        yield opened


def ends(gate: Gate) -> dict[int, int]:
    """The end of each partition."""
    servers = gate.site.broker.bootstrap_servers
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "ends"})
    try:
        return {
            number: consumer.get_watermark_offsets(TopicPartition(gate.site.topic, number), 10)[1]
            for number in range(PARTITIONS)
        }
    finally:
        consumer.close()


@pytest.mark.slow
def test_records_lost_to_retention_are_told_by_log_and_metric_and_the_rest_arrives(
    gate: Gate,
) -> None:
    first = gate.see(20)
    with gate.site.start() as engine:
        gate.await_plates(first)
        gate.site.await_consumed()
        assert engine.stop() == 0
    before = ends(gate)
    missed = gate.see(40)
    after = ends(gate)
    for number, end in after.items():
        delete_before(gate.site.broker.bootstrap_servers, gate.site.topic, end, number)
    lost = {number: end - before[number] for number, end in after.items() if end > before[number]}
    assert sum(lost.values()) == len(missed)

    with gate.site.start() as engine:
        engine.wait_for_line("records.lost", len(lost))
        told = [json.loads(line.text) for line in engine.lines.all() if "records.lost" in line.text]
        assert {line["partition"]: line["records"] for line in told} == lost
        assert {line["level"] for line in told} == {"error"}
        for number in range(PARTITIONS):
            count = lost.get(number, 0)
            name, topic = "alert_engine_records_lost_total", gate.site.topic
            found = engine.wait_for_metric(name, count, topic=topic, partition=str(number))
            assert found == count
        last = gate.see(10)
        gate.await_plates(last)
        gate.site.await_consumed()
        assert engine.wait_ready()["status"] == "ready"
        assert engine.stop() == 0
    assert gate.counts() == dict.fromkeys([*first, *last], 1)
