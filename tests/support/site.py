"""A topic, a registry, rules and settings: all that one engine under test is pointed at."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.demo.street import EventPublisher
from engine.store import OpenMode, open_store
from tests.support.command import alert_engine
from tests.support.engine_process import EngineProcess
from tests.support.kafka import Broker
from tests.support.offsets import await_consumed
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.support.sightings import sighting

SCHEMAS = Path(__file__).parents[2] / "schemas"
EVENT_SCHEMA = SCHEMAS / "plate_event.avsc"


class Site:
    """One engine's surroundings, in a folder of its own; nothing is shared but the broker."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        registry_url: str,
        rules: str,
        environment: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.broker = broker
        self.registry_url = registry_url
        name = uuid.uuid4().hex[:12]
        self.topic = f"plates-{name}"
        self.dlq_topic = f"dlq-{name}"
        self.group = f"engine-{name}"
        self.rules = folder / "rules.yaml"
        self.rules.write_text(rules)
        broker.create_topic(self.topic)
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "KAFKA_TOPIC": self.topic,
            "KAFKA_GROUP_ID": self.group,
            "DLQ_TOPIC": self.dlq_topic,
            "SCHEMA_REGISTRY_URL": registry_url,
            "RULES_PATH": str(self.rules),
            "SCHEMAS_PATH": str(SCHEMAS),
            "STATE_URL": f"sqlite:///{folder / 'alerts.db'}",
            "LOG_FORMAT": "json",
            **environment,
        }

    def start(self, **environment: str) -> EngineProcess:
        """`alert-engine run` here; it is for the caller to wait until it is ready."""
        return EngineProcess({**self.environment, **environment}, self.folder)

    def command(self, *arguments: str) -> tuple[int, str, str]:
        """Another command of the engine here: exit status, standard output, standard error."""
        done = alert_engine(self.folder, *arguments, variables=self.environment)
        return done.status, done.stdout.removesuffix("\n"), done.stderr.removesuffix("\n")

    def alerts(self, *arguments: str) -> list[Any]:
        """What `alert-engine alerts list --format json` tells."""
        status, out, err = self.command("alerts", "list", "--format", "json", *arguments)
        assert status == 0, err
        found = json.loads(out)
        assert isinstance(found, list)
        return found

    def await_holds(self, channel: str, count: int) -> None:
        """Return when so many targets of the channel are held as the store has it."""

        def are_there() -> bool:
            with open_store(self.environment["STATE_URL"], OpenMode.TOOL) as store:
                return sum(hold.channel == channel for hold in store.deliveries.held()) == count

        await_that(are_there, step_seconds=0.05)

    def publish(self, events: Sequence[Mapping[str, Any]], schema: str | None = None) -> None:
        """Publish as cameras do, and wait for the broker's acknowledgement.

        `schema` is the writer's; by default the engine's own.
        """
        text = schema or EVENT_SCHEMA.read_text()
        servers = self.broker.bootstrap_servers
        with EventPublisher(servers, self.registry_url, text, self.topic) as publisher:
            for event in events:
                publisher.publish(event)
            publisher.flush()

    def see(self, plate: str, at: datetime, **fields: Any) -> dict[str, Any]:
        """Publish one sighting, and return it."""
        event = sighting(plate, at, **fields)
        self.publish([event])
        return event

    def await_consumed(self, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Return when the engine has committed all that was published."""
        await_consumed(self.broker.bootstrap_servers, self.group, self.topic, timeout_seconds)
