"""A store of version 1, whose targets were numbered by their place in a list, is carried over.

What waits in it goes to the recipients that it was for.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import pytest

from engine.demo.servers import RegistryServer
from engine.store.migrate import scripts
from tests.integration.test_recipients import KINDS, Plan, World, rules
from tests.support.certificates import Certificates
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.services import Services
from tests.support.site import Site
from tests.support.smtp_receiver import SmtpReceiver

PLATES = ("PLATE01", "PLATE02")
#: What version 1 called the recipients of a list, by their numbers and the port of local servers.
FORMER = {
    "slack": ("slack:slack", "slack:slack-2"),
    "discord": ("discord:discord", "discord:discord-2"),
    "pagerduty": ("pagerduty:pagerduty", "pagerduty:pagerduty-2"),
    "telegram": ("telegram:tgram", "telegram:tgram-2"),
    "mattermost": ("mattermost:mmosts:localhost:{port}", "mattermost:mmosts:localhost:{port}-2"),
    "ntfy": ("ntfy:ntfys:localhost:{port}", "ntfy:ntfys:localhost:{port}-2"),
    "webhook": ("webhook:localhost:{port}", "webhook:localhost:{port}-2"),
    "mail": ("mail:r{first}@example.org", "mail:r{second}@example.org"),
}


@pytest.fixture
def world(services: Services, certificates: Certificates) -> Iterator[World]:
    with SmtpReceiver(certificates.local_server(), "alerts@example.com", "s3cret") as smtp:
        yield World(services, smtp, Plan(smtp.port, services.port))


def former_store(path: Path, deliveries: dict[str, list[str]]) -> None:
    """Write a store of version 1 in which these alerts wait for each of these targets."""
    now_us = round(time.time() * 1e6)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(scripts("sqlite", 0)[0])
        for plate in PLATES:
            digest = blake2b(plate.encode(), digest_size=16).digest()
            database.execute(
                "INSERT INTO alerts VALUES (?, ?, 'every', NULL, ?, ?, 0, 'Every plate', 'high',"
                " ?, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 0, 0.5, '{}', 'plates', 0, 1)",
                (f"alert-{plate}", digest, now_us, now_us, plate),
            )
        for channel, targets in deliveries.items():
            for target in targets:
                for plate in PLATES:
                    database.execute(
                        "INSERT INTO deliveries (alert_id, channel, target_id, state,"
                        " priority_rank, tries, reason, detail, waiting_since_us, changed_us)"
                        " VALUES (?, ?, ?, 'waiting', 0, 1, 'tls', 'expired', ?, ?)",
                        (f"alert-{plate}", channel, target, now_us, now_us),
                    )
                database.execute(
                    "INSERT INTO holds VALUES (?, ?, 'tls', 'expired', ?)",
                    (target, channel, now_us),
                )


@pytest.mark.slow
def test_what_waits_in_a_former_store_goes_to_its_recipients(
    world: World, broker: Broker, tmp_path: Path
) -> None:
    plan = world.plan
    for kind in KINDS:
        (first, one), (second, two) = plan.recipient(kind, PLATES), plan.recipient(kind, PLATES)
        plan.before[kind] = [one, two]
        numbers = {"first": first, "second": second, "port": str(plan.port)}
        plan.after[kind] = [each.format(**numbers) for each in FORMER[kind]]
    former_store(tmp_path / "alerts.db", plan.after)
    world.come_back()
    with RegistryServer() as registry:
        text = rules(plan.before, {})
        site = Site(tmp_path, broker, registry.url, text, dict(world.services.environment))
        with site.start() as engine:
            engine.wait_ready()
            await_that(lambda: sum(world.got().values()) >= len(KINDS) * 4, lambda: engine.output)
            engine.stop()
        states = Counter(
            delivery["state"] for alert in site.alerts() for delivery in alert["deliveries"]
        )
    assert states == {"sent": len(KINDS) * 4}
    assert world.got() == world.due()
    events = [json.loads(line.text)["event"] for line in engine.lines.all() if line.text[0] == "{"]
    assert "delivery.handed_over" not in events
