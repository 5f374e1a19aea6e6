"""Simulated cameras on the environment's Kafka: `python -m engine.demo.street`."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from engine.demo.cameras import Cameras, as_written, instants
from engine.demo.publisher import EventPublisher
from engine.errors import AlertEngineError, BrokerUnavailableError, RegistryUnavailableError
from engine.logs.setup import configure_logs
from engine.rules import examples_of, load_rules
from engine.schema import load_event_schema
from engine.settings import Settings, misspelt_settings

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 5.0
FLUSH_EVERY_SECONDS: Final = 5.0


class Street:
    """Publishes `rate` readings a second; touches `heartbeat` when the broker acknowledges them."""

    def __init__(self, settings: Settings, rate: float, heartbeat: Path | None) -> None:
        self._settings = settings
        self._rate = rate
        self._heartbeat = heartbeat
        self._schema = load_event_schema(settings.event_schema_path)
        # Without variables no channel is made: only the rules' own tests are needed.
        rule_set = load_rules([settings.rules_path], self._schema, None)
        self._cameras = Cameras(examples_of(rule_set.rules), random.Random())  # noqa: S311 - no secret

    def play(self) -> None:
        """Publish until the broker or the registry fails, and raise that error."""
        settings = self._settings
        with EventPublisher(
            settings.kafka_bootstrap_servers,
            settings.schema_registry_url.reveal(),
            self._schema.text,
            settings.kafka_topics[0],
            kafka_options=settings.kafka_options.reveal(),
            registry_options=settings.schema_registry_options.reveal(),
        ) as publisher:
            flush_due = time.monotonic()
            for event in self._cameras.events(instants()):
                publisher.publish(as_written(event, self._schema, settings.event_timezone))
                if time.monotonic() >= flush_due:
                    publisher.flush()
                    self._beat()
                    flush_due = time.monotonic() + FLUSH_EVERY_SECONDS
                time.sleep(1.0 / self._rate)

    def _beat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.touch()


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish until the process is ended; log a failure of broker or registry, and retry.

    Unusable settings, schemas and rules are reported, with exit status 2.
    """
    parser = argparse.ArgumentParser(prog="python -m engine.demo.street", description=__doc__)
    parser.add_argument("--rate", type=float, default=5.0, help="events a second (default 5)")
    parser.add_argument("--heartbeat", type=Path, help="a file to touch while all is well")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        street = Street(settings, options.rate, options.heartbeat)
    except AlertEngineError as error:
        sys.stderr.write(f"engine.demo.street: {error}\n")
        sys.exit(2)
    configure_logs(settings.log_level, settings.log_format)
    for each in misspelt_settings():
        log.warning("setting.misspelt", name=each.name, meant=each.meant, remedy="rename it")
    log.info("cameras.started", topic=settings.kafka_topics[0], rate=options.rate)
    while True:
        try:
            street.play()
        except (BrokerUnavailableError, RegistryUnavailableError) as error:
            log.warning("cameras.waiting", error=str(error))
            time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    main()
