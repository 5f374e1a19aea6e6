"""What a replay of the topic says is what the engine did: the same alerts, counts and texts."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from engine.demo.servers import RegistryServer
from engine.store import OpenMode, Silence, StoredAlert, open_store
from tests.support.command import alert_engine_process
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.sightings import sighting, stamp
from tests.support.site import Site
from tests.support.stream import Publisher

pytestmark = pytest.mark.slow

EVENTS: Final = 20_000
RULES: Final = 60
PLATES: Final = tuple(f"{letters}{number:03}" for letters in "ABC" for number in range(60))
HOURS: Final = 2
GARBAGE: Final = 5
COUNTERS: Final = (
    *("rules_matched", "rule_errors", "dedup_key_errors", "alerts_rate_limited"),
    *("alerts_silenced", "matches_out_of_time"),
)
#: Matchers, the minute at which the silence begins, and for how many minutes it is.
SILENCES: Final[tuple[tuple[dict[str, Any], int, int], ...]] = (
    ({"plate": "a-011"}, 0, 45),
    ({"plate": "B022"}, 30, 90),
    ({"rule_id": "rule-1"}, 20, 30),
    ({"camera_id": "cam-3"}, 50, 20),
    ({"condition": "plate.confidence < 0.5", "rule_id": "rule-3"}, 0, 120),
)
PATIENCE_SECONDS: Final = 240.0

CONDITIONS: Final = (
    'plate.normalized_text.startsWith("{letter}0{digit}") && plate.confidence > 0.{digit}5',
    'plate.normalized_text in ["A0{digit}1", "B0{digit}2", "C0{digit}3", "A0{digit}7"]',
    'plate.normalized_text.endsWith("{digit}{digit}")',
    'camera_id == "cam-{digit}" && plate.confidence > 0.9{digit}',
    # Null in one of three events, which is an error.
    'vehicle.color.startsWith("w") && plate.normalized_text.endsWith("{digit}{digit}")',
    # 0 in one of a hundred.
    '1000 / latency_ms > 10 && plate.normalized_text.startsWith("{letter}0{digit}")',
    'plate.normalized_text.matches("^[A{letter}]0[0-{digit}]7")',
    'during("early") && plate.normalized_text.endsWith("{digit}{digit}")',
    'has(vehicle.make) && vehicle.make == "Ford" && plate.text.endsWith("{digit}1")',
)
# All of the readings of a key are in one partition: only there is an order that both keep.
KEYS: Final[tuple[Any, ...]] = (
    "plate.normalized_text",
    "camera_id",
    ["plate.normalized_text", "camera_id"],
    ["camera_id", "track_id"],
    "vehicle.color + plate.normalized_text",
    None,
)
TEMPLATES: Final = (
    "{plate.normalized_text} ({plate.confidence:.0%}) at {camera_id}, {suppressed_count} before",
    "{rule.name}: {plate.text} {vehicle.color} {vehicle.make}",
    "{camera_id} {captured_at} {latency_ms} ms",
)


def rules(chance: random.Random) -> str:
    """So many rules, each of a random form."""
    made = []
    for number in range(RULES):
        condition = CONDITIONS[number % len(CONDITIONS)]
        rule: dict[str, Any] = {
            "id": f"rule-{number}",
            "name": f"Rule {number}",
            "priority": chance.choice(["low", "medium", "high"]),
            "when": filled(condition, chance.choice("ABC"), str(chance.randrange(1, 6))),
            "notify": ["hook"] if chance.random() < 0.4 else [],
            "message_template": chance.choice(TEMPLATES),
        }
        if chance.random() < 0.95:
            key = chance.choice(KEYS)
            rule["rate_limit"] = {
                "cooldown_seconds": chance.choice([30, 300, 3_600, 90_000]),
                **({"dedup_key": key} if key else {}),
            }
        else:
            rule["rate_limit"] = {"enabled": False}
        when = chance.random()
        if when < 0.2:
            rule["active_time_intervals"] = ["early", "short"]
        elif when < 0.4:
            rule["mute_time_intervals"] = ["short"]
        made.append(rule)
    channels = {"hook": {"url": "${WEBHOOK_URL}", "method": "POST"}}
    intervals = [interval("early", 0, 60), interval("short", 70, 85)]
    document = {"channels": channels, "time_intervals": intervals, "rules": made}
    return yaml.safe_dump(document, sort_keys=False)


def interval(name: str, start_minutes: int, end_minutes: int) -> dict[str, Any]:
    """The part of each day that is from so many minutes after the first reading on."""
    start, end = (
        f"{began() + timedelta(minutes=minutes):%H:%M}" for minutes in (start_minutes, end_minutes)
    )
    return {"name": name, "times": [{"start_time": start, "end_time": end}]}


def silences() -> list[Silence]:
    """A plate, a rule, a camera and a condition, each for some of the time."""
    return [
        Silence(**matchers, starts_us=round(start.timestamp() * 1e6), ends_us=round(end * 1e6))
        for matchers, minutes, length in SILENCES
        for start in (began() + timedelta(minutes=minutes),)
        for end in (start.timestamp() + length * 60,)
    ]


@cache
def began() -> datetime:
    """When the readings begin, to the minute."""
    return (datetime.now(UTC) - timedelta(hours=HOURS + 1)).replace(second=0, microsecond=0)


def filled(condition: str, letter: str, digit: str) -> str:
    """A condition with these in place of its marks."""
    return condition.replace("{letter}", letter).replace("{digit}", digit)


def readings(chance: random.Random) -> list[dict[str, Any]]:
    """So many readings of some hours, roughly in order, with odd times and twins among them."""
    start = began()
    found: list[dict[str, Any]] = []
    for number in range(EVENTS):
        if found and chance.random() < 0.01:
            found.append(chance.choice(found[-50:]))
            continue
        index = chance.randrange(len(PLATES))
        at = start + timedelta(seconds=number * HOURS * 3_600 / EVENTS + chance.uniform(-200, 200))
        odd = chance.random()
        if odd < 0.01:
            # Too old to be sent.
            at -= timedelta(days=chance.choice([2, 20]))
        event = sighting(
            PLATES[index],
            at,
            # The partition goes by it.
            camera=f"cam-{index % 17}",
            track_id=str(chance.randrange(40)),
            latency_ms=0 if chance.random() < 0.01 else chance.randrange(1, 500),
            vehicle={
                "type": "car",
                "make": chance.choice(["Ford", "Fiat", None]),
                "model": None,
                "color": chance.choice(["white", "red", None]),
            },
        )
        event["plate"]["confidence"] = round(chance.uniform(0.3, 1), 2)
        if 0.01 <= odd < 0.015:
            event["captured_at"] = chance.choice(["yesterday", "", stamp(at + timedelta(days=1))])
        found.append(event)
    return found


@pytest.fixture
def site(tmp_path: Path, broker: Broker, http_receiver: HttpReceiver) -> Iterator[Site]:
    if not broker.is_real:
        pytest.skip("needs a real Kafka")
    environment = {"WEBHOOK_URL": http_receiver.url, "DELIVERY_WORKERS": "16"}
    with RegistryServer() as registry:
        yield Site(tmp_path, broker, registry.url, rules(random.Random(2025)), environment)


def metric_by_rule(text: str, name: str) -> dict[str, int]:
    """The values of a counter, summed by rule, as /metrics has them."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith(f"alert_engine_{name}_total{{"):
            (rule_id,) = re.findall(r'rule_id="([^"]*)"', line)
            found[rule_id] += round(float(line.rpartition(" ")[2]))
    return dict(found)


def stored(site: Site) -> list[StoredAlert]:
    """All alerts of the engine's store that are no silenced ones."""
    with open_store(site.environment["STATE_URL"], OpenMode.TOOL) as store:
        return [each for each in store.archive.alerts(10 * EVENTS) if not each.silenced_by]


def replayed(site: Site) -> Any:
    """What a replay in this process says, which one of its own says too; it may start others."""
    words = ("replay", "kafka", "--alerts", "--format", "json")
    status, out, err = site.command(*words)
    assert status == 0, err
    apart = alert_engine_process(site.folder, *words, variables=site.environment)
    assert (apart.status, apart.stdout.strip()) == (0, out.strip()), apart.stderr
    return json.loads(out)


def run_engine(site: Site, events: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Process and deliver all of it, with a restart in between; returns the counters by rule."""
    counted = {name: Counter[str]() for name in COUNTERS}
    with open_store(site.environment["STATE_URL"]) as store:
        for each in silences():
            store.silences.add(each)
    half = len(events) // 2
    for part, is_last in ((events[:half], False), (events[half:], True)):
        with site.start() as engine:
            engine.wait_ready()
            site.publish(part)
            site.await_consumed(PATIENCE_SECONDS)
            if is_last:
                await_delivered(site)
            metrics = engine.get("/metrics")[1]
            assert engine.stop() == 0
        for name, counter in counted.items():
            counter.update(metric_by_rule(metrics, name))
    return counted


def await_delivered(site: Site) -> None:
    """Return when no delivery waits any more."""

    def is_over() -> bool:
        with open_store(site.environment["STATE_URL"], OpenMode.TOOL) as store:
            return not store.deliveries.backlogs()

    await_that(is_over, step_seconds=0.2, patience_seconds=PATIENCE_SECONDS)


def test_a_replay_of_the_topic_says_what_the_engine_did(
    site: Site, http_receiver: HttpReceiver
) -> None:
    events = readings(random.Random(14))
    counted = run_engine(site, events)
    Publisher(site.broker.bootstrap_servers).publish(site.topic, *[b"garbage"] * GARBAGE)
    report = replayed(site)
    assert report["events"] == EVENTS
    assert report["unreadable"] == GARBAGE
    alerts = stored(site)
    ours = Counter(
        (
            each.alert.rule_id,
            each.alert.event["event_id"],
            each.alert.captured_at,
            each.alert.message,
            each.alert.suppressed_count,
        )
        for each in alerts
    )
    simulated = Counter(
        (
            each["rule_id"],
            each["event_id"],
            each["captured_at"],
            each["message"],
            each["suppressed_count"],
        )
        for each in report["alerts"]
    )
    print(f"{ours.total():,} alerts, {sum(each[4] for each in ours):,} suppressed,", end=" ")
    print(f"{sum(each['errors'] for each in report['rules'].values()):,} errors")
    assert len({each[0] for each in ours}) > RULES / 2
    assert counted["alerts_silenced"].total() > EVENTS / 100
    assert counted["matches_out_of_time"].total() > EVENTS / 100
    assert ours.total() > EVENTS / 20
    assert simulated - ours == Counter()
    assert ours - simulated == Counter()
    for rule_id, each in report["rules"].items():
        matches = counted["rules_matched"][rule_id] + counted["matches_out_of_time"][rule_id]
        assert each["matches"] == matches, rule_id
        assert each["silenced"] == counted["alerts_silenced"][rule_id], rule_id
        assert each["suppressed"] == counted["alerts_rate_limited"][rule_id], rule_id
        # The engine counts keys that fail too; such a match has the key of its track.
        errors = counted["rule_errors"][rule_id] - counted["dedup_key_errors"][rule_id]
        assert each["errors"] == errors, rule_id
    # By alert: one of whose answer nobody knows is sent twice.
    received = {
        alert["id"]: (alert["rule_id"], alert["message"], alert["suppressed_count"])
        for alert in (request.json()["alert"] for request in http_receiver.requests.all())
    }
    assert received == {
        alert.alert_id: (alert.rule_id, alert.message, alert.suppressed_count)
        for alert in (each.alert for each in alerts if each.deliveries)
    }
    assert len(received) > EVENTS / 20
