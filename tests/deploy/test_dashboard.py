"""Every query of dashboard and alert rules, on a real Prometheus that scraped a real run."""

from __future__ import annotations

import itertools
import json
import math
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.demo.servers import RegistryServer
from engine.demo.street import EventPublisher
from tests.support.answers import Answer
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.prometheus import Prometheus
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA, Site
from tests.support.stream import Publisher

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "alert-engine.json"
ALERT_RULES = ROOT / "deploy" / "prometheus" / "alert-engine.rules.yml"
VARIABLES = {"$__rate_interval": "20s", "$__range": "20s", "$instance": ".*"}
PAUSE_SECONDS = 0.25
# Each rule makes one kind of thing happen that a panel shows.
RULES = """
channels:
  good: {url}/good
  refused: {url}/refused
  flaky: {url}/flaky
watchlists:
  wanted: {list}
cameras: {{default: {{silent_after: 6h}}}}
camera_silent: {{notify: []}}
notifications:
  slack: {{enabled: false, webhook_url: "https://hooks.slack.example/x"}}
rules:
  - {{id: all, name: All, when: "true", notify: [good, refused, flaky],
     rate_limit: {{enabled: false}}, message_template: "{{plate.normalized_text}}"}}
  - {{id: listed, name: Listed, when: plate.normalized_text in watchlist("wanted"), notify: [good]}}
  - {{id: limited, name: Limited, when: "true", notify: [good],
     rate_limit: {{cooldown_seconds: 3600, dedup_key: camera_id}}, message_template: x}}
  - {{id: failing, name: Failing, when: "extras.frame_number > 1", notify: [good],
     message_template: x}}
  - {{id: unkeyed, name: Unkeyed, when: "true", notify: [slack],
     rate_limit: {{cooldown_seconds: 1, dedup_key: vehicle.color}},
     message_template: "{{extras.frame_number + 1}}"}}
"""

pytestmark = pytest.mark.slow


def panel_queries() -> Iterator[tuple[str, str]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"]


def filled_in(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def publish(camera: EventPublisher, any_bytes: Publisher, topic: str, number: int) -> None:
    """One of everything that can come: good, undated, too old, empty and broken records."""
    now = datetime.now(UTC)
    old = now - timedelta(hours=30)
    camera.publish(sighting(f"AAA{number}", now, extras=None, latency_ms=-1))
    camera.publish(sighting(f"BBB{number}", now, extras=None, captured_at="yesterday"))
    camera.publish(sighting(f"CCC{number}", now + timedelta(hours=2), extras=None))
    camera.publish(sighting(f"DDD{number}", now - timedelta(days=9), extras=None))
    late = camera.encode(sighting(f"EEE{number}", old))
    any_bytes.publish(topic, late, timestamp_ms=int(old.timestamp() * 1000))
    any_bytes.publish(topic, None, b"no event")
    camera.flush()


@pytest.fixture(scope="module")
def prometheus(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes an engine to which everything happens, again and again."""
    folder = tmp_path_factory.mktemp("dashboard")
    with HttpReceiver() as hooks, RegistryServer() as registry:
        hooks.answer_when(lambda request: request.path == "/refused", Answer(400))
        hooks.answer_when(lambda request: request.path == "/flaky", Answer(503))
        plates = folder / "wanted.txt"
        plates.write_text("AAA1\n")
        rules = RULES.format(url=hooks.url, list=plates)
        quick = {"RETRY_DELAY_BASE": "200ms"}
        site = Site(folder, broker, registry.url, rules, quick)
        schema = EVENT_SCHEMA.read_text()
        with (
            site.start() as engine,
            Prometheus(folder, engine.base_url.removeprefix("http://")) as scraping,
            EventPublisher(broker.bootstrap_servers, registry.url, schema, site.topic) as camera,
        ):
            any_bytes = Publisher(broker.bootstrap_servers)
            engine.wait_ready()
            # Counters must be seen at zero first, or their first increase is not one.
            scraping.wait_for("count_over_time(alert_engine_consuming[20s]) > 1")
            is_over = threading.Event()

            def go_on() -> None:
                for number in itertools.count():
                    publish(camera, any_bytes, site.topic, number)
                    if is_over.wait(PAUSE_SECONDS):
                        return

            # Until the last question: a rate is of the last seconds.
            cameras = threading.Thread(target=go_on)
            cameras.start()
            try:
                yield scraping
            finally:
                is_over.set()
                cameras.join()


def numbers(series: list[dict[str, Any]]) -> list[float]:
    return [float(each["value"][1]) for each in series]


def test_every_query_of_the_dashboard_has_an_answer(prometheus: Prometheus) -> None:
    queries = list(panel_queries())
    assert len(queries) > 30
    for _, expression in queries:
        prometheus.wait_for(
            filled_in(expression),
            lambda series: bool(series) and not all(map(math.isnan, numbers(series))),
        )


def test_every_alert_rule_speaks_of_metrics_that_are_there(prometheus: Prometheus) -> None:
    expressions = "\n".join(
        line for line in ALERT_RULES.read_text().splitlines() if "alert_engine_" in line
    )
    names = set(re.findall(r"\balert_engine_\w+", expressions))
    assert len(names) >= 10
    for name in sorted(names):
        prometheus.wait_for(name)
