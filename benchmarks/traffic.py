"""Publishes readings at a steady rate, in a process of its own.

`python -m benchmarks.traffic SERVERS TOPIC RATE SECONDS SHARE` publishes RATE events a second for
SECONDS, evenly; SHARE of them have the plates of `WATCHED`, each at most once.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from benchmarks.readings import encode, readings

ROOT: Final = Path(__file__).parents[1]
WATCHED: Final = tuple(f"WAT{number:04}" for number in range(5_000))
FLUSH_SECONDS: Final = 10.0


def start(
    servers: str, topic: str, rate: int, seconds: int, share: float
) -> subprocess.Popen[bytes]:
    """Begin to publish; the process ends when all is acknowledged."""
    given = (servers, topic, str(rate), str(seconds), str(share))
    return subprocess.Popen([sys.executable, "-m", "benchmarks.traffic", *given], cwd=ROOT)


def publish(servers: str, topic: str, rate: int, seconds: int, share: float) -> None:
    """Publish all of it, each event when it is due."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    events = [
        (event["camera_id"].encode(), encode(event))
        for event in readings(rate * seconds, WATCHED, share)
    ]
    started = time.monotonic()
    for number, (key, value) in enumerate(events):
        early = started + number / rate - time.monotonic()
        if early > 0:
            time.sleep(early)
        producer.produce(topic, value, key)
        producer.poll(0)
    assert producer.flush(FLUSH_SECONDS) == 0


if __name__ == "__main__":
    servers, topic, rate, seconds, share = sys.argv[1:]
    publish(servers, topic, int(rate), int(seconds), float(share))
