"""`alert-engine run` on a site's own schema: it works, or refuses to start and says why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.demo.servers import RegistryServer
from engine.demo.street import EventPublisher
from engine.schema import instant_text
from tests.support.answers import Request
from tests.support.command import alert_engine, alert_engine_process
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.site import SCHEMAS, Site

DATA = Path(__file__).parents[1] / "data" / "site_schema"
SCHEMA = "plate_event.avsc"
RULE = "rules: [{id: every, when: 'true', notify: []}]\n"


def schemas_in(folder: Path, schema: dict[str, Any]) -> Path:
    """A folder of schemas, with this one of events."""
    made = folder / "schemas"
    made.mkdir()
    shutil.copy(SCHEMAS / "dlq_message.avsc", made)
    (made / SCHEMA).write_text(json.dumps(schema), encoding="utf-8")
    return made


def site_schema() -> dict[str, Any]:
    """The site's own schema."""
    schema: dict[str, Any] = json.loads((DATA / SCHEMA).read_text(encoding="utf-8"))
    return schema


@pytest.fixture
def hook() -> Iterator[HttpReceiver]:
    """The site's webhook."""
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def site(broker: Broker, tmp_path: Path, hook: HttpReceiver) -> Iterator[Site]:
    """The site: its schema, its rules, its topic."""
    with RegistryServer() as registry:
        yield Site(
            tmp_path,
            broker,
            registry.url,
            (DATA / "rules.yaml").read_text(encoding="utf-8"),
            {
                "HOOK_URL": f"{hook.url}/alerts",
                "SCHEMAS_PATH": str(schemas_in(tmp_path, site_schema())),
                "EVENT_TIMEZONE": "Europe/Berlin",
            },
        )


def is_of_the_last(request: Request) -> bool:
    """Whether it is the alert of the rule `seen` on the last event."""
    alert = request.json()["alert"]
    return bool(alert["rule_id"] == "seen" and alert["message"].startswith("SITE01"))


@pytest.mark.slow
def test_an_avro_timestamp_is_the_instant_and_reads_as_iso_8601_everywhere(
    site: Site, hook: HttpReceiver
) -> None:
    now = datetime.now(UTC).replace(microsecond=250_000)
    text = instant_text(now)
    event: dict[str, Any] = {
        "captured_at": now,
        "camera_id": "gate",
        "plate": {"normalized_text": "SITE01", "confidence": None},
        "permit_until": now - timedelta(hours=2),
        "opened_at": datetime(2025, 12, 25, 17),
        "passage": "p-1",
        "fee": None,
        "day": 3,
        "clock": 4,
        "stay": b"\1" * 12,
        "lane": "RIGHT",
        "tags": {},
        "boxes": [[1]],
    }
    # Its own time is absurd, so Kafka's counts; another's is, and it can't be read at all.
    absurd = {**event, "captured_at": 2**62, "plate": {**event["plate"], "normalized_text": "X1"}}
    unreadable = {**event, "permit_until": 2**62}
    schema = json.dumps(site_schema())
    with site.start() as engine:
        engine.wait_ready()
        servers = site.broker.bootstrap_servers
        with EventPublisher(servers, site.registry_url, schema, site.topic) as publisher:
            for each in (unreadable, absurd, event):
                publisher.publish(each)
        (request,) = hook.requests.wait_for(1, where=is_of_the_last)
        site.await_consumed()
        letters = "alert_engine_dead_letters_total"
        assert engine.wait_for_metric(letters, 1, error_type="SCHEMA_VALIDATION") == 1
        replaced = "alert_engine_event_time_replaced_total"
        assert engine.wait_for_metric(replaced, 1, reason="future") == 1
        assert engine.metric(letters, error_type="PROCESSING_FAILURE") == 0
        assert engine.stop() == 0
    seen = request.json()
    assert seen["alert"]["message"].startswith(f"SITE01 {text} ")
    assert seen["alert"]["timestamp"] == seen["event"]["captured_at"] == text
    assert seen["event"]["permit_until"] == instant_text(now - timedelta(hours=2))
    assert seen["event"]["opened_at"] == "2025-12-25T17:00:00"
    stored = [each for each in site.alerts("--rule", "seen") if "SITE01" in each["message"]]
    assert [(each["captured_at"], each["event"]["captured_at"]) for each in stored] == [
        (text, text)
    ]
    status, out, _ = site.command("alerts", "show", stored[0]["alert_id"])
    assert (status, text in out) == (0, True)


@pytest.mark.parametrize("command", ["check", "run", "test"])
def test_a_schema_without_what_the_engine_needs_is_refused_at_the_start(
    tmp_path: Path, command: str
) -> None:
    schema = site_schema()
    fields = {field["name"]: field for field in schema["fields"]}
    del fields["camera_id"]
    fields["captured_at"]["type"] = "long"
    fields["passage"].update(name="event_id", type="bytes")
    schema["fields"] = [*fields.values()]
    (tmp_path / "rules.yaml").write_text(RULE)
    folder = schemas_in(tmp_path, schema)
    variables = {
        "SCHEMAS_PATH": str(folder),
        "RULES_PATH": "rules.yaml",
        "STATE_URL": f"sqlite:///{tmp_path}/alerts.db",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    start = alert_engine_process if command == "run" else alert_engine
    report = start(tmp_path, command, variables=variables)
    assert (report.status, report.stdout) == (2, "")
    told = report.stderr.removeprefix("alert-engine: ").splitlines()
    assert [line.split(":")[0] for line in told] == [str(folder / SCHEMA)] * 3
    for line, field, is_now, needed, remedy in zip(
        told,
        ("`captured_at`", "`camera_id`", "`event_id`"),
        ("is long", "is missing", "is bytes"),
        ("a long with the logical type timestamp-millis", "a string", "a string"),
        ('add "logicalType"', 'add {"name": "camera_id", "type": "string"}', "or leave it out"),
        strict=True,
    ):
        assert f"{field} {is_now}" in line
        assert f"the engine needs {needed}" in line or f"or {needed}" in line
        assert remedy in line
