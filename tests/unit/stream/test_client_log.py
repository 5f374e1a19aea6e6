from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer
from structlog.testing import capture_logs

from engine.settings import Secret, Settings
from engine.stream.options import consumer_options, producer_options

VERBOSE = Settings(kafka_bootstrap_servers="localhost:1", kafka_options=Secret({"debug": "broker"}))


def test_a_consumer_logs_through_our_log_and_writes_nothing_itself(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with capture_logs() as lines:
        consumer = Consumer(consumer_options(VERBOSE))
        consumer.poll(0.01)
        consumer.close()
    assert {line["log_level"] for line in lines} >= {"info"}
    assert any("localhost:1/bootstrap" in line["event"] for line in lines)
    assert capfd.readouterr() == ("", "")


def test_a_producer_logs_through_our_log_and_writes_nothing_itself(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with capture_logs() as lines:
        producer = Producer(producer_options(VERBOSE))
        producer.poll(0.01)
        producer.close()
    assert any("localhost:1/bootstrap" in line["event"] for line in lines)
    assert capfd.readouterr() == ("", "")
