"""Publishes readings at a steady rate, in a process of its own.

`python -m benchmarks.traffic SERVERS TOPIC RATE SECONDS SHARE SCHEMA_ID` publishes RATE events a
second for SECONDS, evenly; SHARE of them have the plates of `WATCHED`, each in turn.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from benchmarks.readings import SCHEMA_ID, encode, readings
from engine.bench.rule_sets import PLATE, PlainCondition, PlainRule, mixed_rules, rule_file

ROOT: Final = Path(__file__).parents[1]
WATCHED: Final = tuple(f"WAT{number:04}" for number in range(5_000))
FLUSH_SECONDS: Final = 10.0


def rules_with_watchlist(count: int, *notify: str) -> str:
    """A file of so many mixed rules, and one that alerts these channels on watched plates."""
    plates = PlainCondition(PLATE, "in_list", list(WATCHED))
    return rule_file([*mixed_rules(count), PlainRule("watchlist", (plates,), notify or ("ops",))])


def start(
    servers: str,
    topic: str,
    rate: int,
    seconds: int,
    share: float,
    schema_id: int = SCHEMA_ID,
) -> subprocess.Popen[bytes]:
    """Begin to publish; the process ends when all is acknowledged."""
    given = (servers, topic, str(rate), str(seconds), str(share), str(schema_id))
    return subprocess.Popen([sys.executable, "-m", "benchmarks.traffic", *given], cwd=ROOT)


def publish(
    servers: str, topic: str, rate: int, seconds: int, share: float, schema_id: int
) -> None:
    """Publish all of it, each event when it is due."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    started = time.monotonic()
    # Made when they are due: those of half an hour are half a gigabyte.
    for number, event in enumerate(readings(rate * seconds, WATCHED, share)):
        early = started + number / rate - time.monotonic()
        if early > 0:
            time.sleep(early)
        producer.produce(topic, encode(event, schema_id), event["camera_id"].encode())
        producer.poll(0)
    assert producer.flush(FLUSH_SECONDS) == 0


if __name__ == "__main__":
    servers, topic, rate, seconds, share, schema_id = sys.argv[1:]
    publish(servers, topic, int(rate), int(seconds), float(share), int(schema_id))
