"""One engine's surroundings in which every sighting of a plate is one alert to one webhook."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from engine.demo.servers import RegistryServer
from engine.demo.street import EventPublisher
from tests.support.answers import Request
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA, Site

RULES = """\
channels:
  hook: {url: "${HOOK_URL}", timeout: 20}
rules:
  - id: every
    name: Every Plate
    priority: high
    when: "true"
    notify: [hook]
    rate_limit: {enabled: false}
    message_template: "{plate.normalized_text}"
"""
# Small, so that a stop or a kill comes in mid-stream.
BATCH_SIZE = "20"


class Gate:
    """The site and the webhook's far end; what arrived there is the only judge."""

    def __init__(self, site: Site, registry: RegistryServer, hook: HttpReceiver) -> None:
        self.site = site
        self.registry = registry
        self.hook = hook
        self._seen = 0

    def see(self, count: int = 1) -> list[str]:
        """Publish so many sightings of new plates at different cameras; the plates."""
        with self.publisher() as publish:
            return publish(count)

    @contextlib.contextmanager
    def publisher(self) -> Iterator[Callable[[int], list[str]]]:
        """What `see` does, with one producer that needs the registry once only."""
        text, servers = EVENT_SCHEMA.read_text(), self.site.broker.bootstrap_servers
        with EventPublisher(servers, self.registry.url, text, self.site.topic) as producer:

            def publish(count: int) -> list[str]:
                now = datetime.now(UTC)
                plates = [f"P{number:05}" for number in range(self._seen, self._seen + count)]
                self._seen += count
                for plate in plates:
                    producer.publish(sighting(plate, now, camera=f"cam-{plate[-1]}"))
                producer.flush()
                return plates

            yield publish

    def await_plates(
        self, plates: Sequence[str], timeout_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Return when each has arrived; AssertionError after the time."""
        for plate in plates:
            self.hook.requests.wait_for(1, timeout_seconds, where=partial(is_about, plate))

    def counts(self) -> Counter[str]:
        """How often each plate arrived."""
        return Counter(plate_of(request) for request in self.hook.requests.all())

    def alert_ids(self) -> dict[str, set[str]]:
        """The ids of the alerts that arrived, by plate."""
        found: dict[str, set[str]] = {}
        for request in self.hook.requests.all():
            alert: dict[str, Any] = request.json()["alert"]
            found.setdefault(alert["message"], set()).add(alert["id"])
        return found


@contextlib.contextmanager
def open_gate(broker: Broker, folder: Path, rules: str = RULES, **settings: str) -> Iterator[Gate]:
    """A gate on a topic of its own; `settings` are environment variables, HOOK_URL is there."""
    with HttpReceiver() as hook, RegistryServer() as registry:
        environment = {
            "HOOK_URL": f"{hook.url}/alerts",
            "BATCH_SIZE": BATCH_SIZE,
            "RETRY_DELAY_BASE": "0.05",
            **settings,
        }
        yield Gate(Site(folder, broker, registry.url, rules, environment), registry, hook)


def plate_of(request: Request) -> str:
    """The plate that the request tells of."""
    return str(request.json()["alert"]["message"])


def is_about(plate: str, request: Request) -> bool:
    """Whether the request tells of this plate."""
    return plate_of(request) == plate
