"""The installed command on a real Kafka that refuses dead letters, each for another reason."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from engine.logs.text import REPEAT_SECONDS
from tests.support.engine_process import EngineProcess
from tests.support.gate import BATCH_SIZE, Gate, open_gate
from tests.support.kafka import RealKafka, deny_writes, permit_writes
from tests.support.offsets import unread
from tests.support.stream import Publisher, unique

PATIENCE_SECONDS = 120.0
#: More than two batches, so that some are refused after the first.
LETTERS = 3 * int(BATCH_SIZE)
REFUSED = '"dead_letters.refused"'

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def gate(strict_kafka: RealKafka, tmp_path: Any) -> Iterator[Gate]:
    with open_gate(strict_kafka, tmp_path) as opened:
        yield opened


def test_letters_that_are_not_permitted_wait_and_hold_up_no_event(
    strict_kafka: RealKafka, gate: Gate
) -> None:
    servers, topic = strict_kafka.bootstrap_servers, gate.site.dlq_topic
    strict_kafka.create_topic(topic, 1)
    deny_writes(servers, topic)
    with gate.site.start() as engine:
        await_refused(gate, engine)
        assert unread(servers, unique("nobody"), topic) == 0
        permit_writes(servers, topic)
        await_letters(engine, servers, topic, LETTERS)
        assert await_counted(engine, LETTERS) == {"Broker: Topic authorization failed"}
        assert engine.stop() == 0


def test_letters_for_a_topic_that_is_not_there_wait_and_hold_up_no_event(
    strict_kafka: RealKafka, gate: Gate
) -> None:
    servers, topic = strict_kafka.bootstrap_servers, gate.site.dlq_topic
    with gate.site.start() as engine:
        await_refused(gate, engine)
        strict_kafka.create_topic(topic, 1)
        await_letters(engine, servers, topic, LETTERS)
        assert await_reasons(engine) == {"Broker: Unknown topic or partition"}
        assert engine.stop() == 0


def test_letters_that_are_too_large_hold_up_neither_events_nor_other_letters(
    strict_kafka: RealKafka, gate: Gate
) -> None:
    servers, topic = strict_kafka.bootstrap_servers, gate.site.dlq_topic
    new = NewTopic(topic, 1, 1, config={"max.message.bytes": "4000"})
    # Without a name of its own it would be gone before the answer.
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([new])[topic].result(30.0)
    with gate.site.start() as engine:
        engine.wait_ready()
        values = [value for _ in range(LETTERS) for value in (os.urandom(20_000), b"no event")]
        Publisher(servers).publish(gate.site.topic, *values)
        await_events(gate, engine, 2 * LETTERS)
        await_letters(engine, servers, topic, LETTERS)
        assert await_reasons(engine) == {"Broker: Message size too large"}
        assert engine.stop() == 0


def await_refused(gate: Gate, engine: EngineProcess) -> None:
    """Publish what is no event, and return when it is read, kept, and events behind it alerted."""
    engine.wait_ready()
    servers = gate.site.broker.bootstrap_servers
    Publisher(servers).publish(gate.site.topic, *[b"no event"] * LETTERS)
    await_events(gate, engine, LETTERS)
    engine.wait_for_metric("alert_engine_dead_letters_waiting", LETTERS, PATIENCE_SECONDS)


def await_events(gate: Gate, engine: EngineProcess, letters: int) -> None:
    """Return when so many letters are made, and new events were alerted and committed."""
    name = "alert_engine_dead_letters_total"
    engine.wait_for_metric(name, letters, PATIENCE_SECONDS, error_type="SCHEMA_VALIDATION")
    gate.await_plates(gate.see(4), PATIENCE_SECONDS)
    gate.site.await_consumed(PATIENCE_SECONDS)


def await_letters(engine: EngineProcess, servers: str, topic: str, count: int) -> None:
    """Return when the topic has exactly so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := unread(servers, unique("nobody"), topic)) < count:
        assert time.monotonic() < deadline, f"{found} of {count} letters: {engine.output}"
        time.sleep(0.2)
    assert found == count


def await_counted(engine: EngineProcess, letters: int) -> set[str]:
    """Return when the lines count so many refused letters: why they were refused."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (counted := sum(line["letters"] for line in refusals(engine))) < letters:
        assert time.monotonic() < deadline, f"{counted} of {letters} letters: {engine.output}"
        time.sleep(0.2)
    assert counted == letters
    return await_reasons(engine)


def await_reasons(engine: EngineProcess) -> set[str]:
    """Why letters were refused, once a line says so; the same reason is one line a minute."""
    engine.wait_for_line(REFUSED, timeout_seconds=PATIENCE_SECONDS)
    times: dict[str, list[datetime]] = {}
    for line in refusals(engine):
        times.setdefault(line["reason"], []).append(datetime.fromisoformat(line["timestamp"]))
    # Between the engine's two looks at its clocks a moment may pass.
    least = timedelta(seconds=REPEAT_SECONDS - 5.0)
    for each in times.values():
        assert all(later - earlier > least for earlier, later in pairwise(each))
    return {*times}


def refusals(engine: EngineProcess) -> list[Any]:
    """The lines about refused letters."""
    return [json.loads(line.text) for line in engine.lines.all() if REFUSED in line.text]
