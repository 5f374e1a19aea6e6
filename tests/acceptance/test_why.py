"""`explain` and `why-not` beside a real engine, with a real Kafka and real receivers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.store import OpenMode, open_store
from tests.support.answers import Answer
from tests.support.command import alert_engine
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.sightings import sighting
from tests.support.stream import Publisher

RULES = """\
channels:
  hook: {url: "${HOOK_URL}", timeout: 20}
time_intervals:
  - {name: never, dates: ["2020-01-01"]}
rules:
  - id: stolen
    conditions:
      - {field: plate.normalized_text, operator: in_list, value: [ABC123, DEF456, GHI789]}
      - {field: plate.region, operator: equals, value: US-FL}
    when: plate.confidence > 0.8
    notify: [hook]
    rate_limit: {cooldown_seconds: 300}
    message_template: "{plate.normalized_text}"
  - {id: shed, when: plate.normalized_text == "SHED01", notify: []}
  - id: asleep
    when: plate.normalized_text == "NIGHT1"
    active_time_intervals: [never]
    notify: [hook]
  - {id: broken, when: plate.normalized_text == "BROKEN" && 1 / latency_ms > 0, notify: [hook]}
"""


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    with open_gate(broker, tmp_path, RULES) as opened:
        yield opened


def see(gate: Gate, plate: str, at: datetime, region: str = "US-FL", **fields: Any) -> None:
    event = sighting(plate, at, camera="gate-2", **fields)
    event["plate"]["region"] = region
    gate.site.publish([event])


def ask(gate: Gate, plate: str, at: datetime, *arguments: str) -> Any:
    done = alert_engine(
        gate.site.folder,
        "why-not",
        plate,
        "--at",
        at.isoformat(),
        "--format",
        "json",
        *arguments,
        variables=gate.site.environment,
    )
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


def reason(gate: Gate, plate: str, at: datetime, *arguments: str) -> str:
    return str(ask(gate, plate, at, *arguments)["reason"])


def await_reason(gate: Gate, plate: str, at: datetime, wanted: str) -> Any:
    found: list[Any] = []

    def is_there() -> bool:
        found.append(ask(gate, plate, at))
        return bool(found[-1]["reason"] == wanted)

    await_that(is_there, lambda: found[-1], step_seconds=0.3)
    return found[-1]


@pytest.mark.slow
def test_planted_causes_have_their_reasons_before_and_after_a_restart(gate: Gate) -> None:
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=4)
    clock = now.strftime("%H:%M:%S")
    with gate.site.start() as engine:
        engine.wait_ready()
        see(gate, "ABC123", now)
        gate.hook.requests.wait_for(1)
        see(gate, "ABC123", now + timedelta(seconds=100))
        see(gate, "DEF456", now, region="US-GA")
        see(gate, "SHED01", now)
        see(gate, "NIGHT1", now)
        see(gate, "BROKEN", now, latency_ms=0)
        see(gate, "GHI789", now - timedelta(days=2))
        see(gate, "QQW888", now)
        gate.site.await_consumed()
        await_reason(gate, "ABC123", now, "sent")
        status, out, err = gate.site.command("silences", "add", "--plate", "GHI789", "--for", "1h")
        assert status == 0, out + err
        # In force within a second, by the time of the event.
        later = datetime.now(UTC) + timedelta(seconds=1)
        await_that(lambda: datetime.now(UTC) > later, step_seconds=0.1)
        seen = datetime.now(UTC)
        see(gate, "GHI789", seen)
        gate.site.await_consumed()
        gate.hook.answer_when(lambda request: True, Answer(401))
        see(gate, "DEF456", now + timedelta(seconds=600))
        await_reason(gate, "DEF456", now + timedelta(seconds=600), "held")
        assert engine.stop() == 0

    def check() -> None:
        sent = ask(gate, "abc 123", now)
        assert sent["answer"].startswith(
            f"ABC123 was read at gate-2 at {clock}; rule stolen alerted, and the alert reached hook"
        )
        suppressed = ask(gate, "ABC123", now + timedelta(seconds=100))
        assert suppressed["reason"] == "suppressed"
        # The day is told where the two events have not the same one.
        assert re.search(
            rf"an alert of (\d{{4}}-\d\d-\d\d )?{clock}( UTC)? suppressed it \(300 s\); "
            "that one reached",
            suppressed["answer"],
        )
        false = ask(gate, "DEF456", now)
        assert false["reason"] == "false"
        assert "condition 2 of 3 is false, plate.region equals US-FL" in false["answer"]
        assert reason(gate, "SHED01", now) == "unrouted"
        assert reason(gate, "NIGHT1", now) == "inactive"
        assert reason(gate, "BROKEN", now) == "error"
        assert reason(gate, "GHI789", now - timedelta(days=2), "--within", "4d") == "expired"
        assert reason(gate, "GHI789", seen, "--within", "10s") == "silenced"
        assert reason(gate, "DEF456", now + timedelta(seconds=600), "--within", "60s") == "held"
        unread = ask(gate, "QQW883", now)
        assert unread["reason"] == "not_read"
        assert "the nearest reading is QQW888" in unread["answer"]

    check()
    # While nobody reads: in the lag, and a record that no schema fits.
    late = datetime.now(UTC)
    see(gate, "ABC123", late)
    assert (
        "the engine has not come to it yet" in ask(gate, "ABC123", late, "--within", "5s")["answer"]
    )
    gate.site.rules.write_text(RULES.replace("US-FL", "US-GA"))
    with gate.site.start() as engine:
        engine.wait_ready()
        gate.site.await_consumed()
        check()
        changed = ask(gate, "DEF456", now)["rules"]
        assert {each["rule_id"]: each["changed"] for each in changed}["stolen"] == (
            "changed since: condition"
        )
        assert engine.stop() == 0


@pytest.mark.slow
def test_a_dead_letter_and_a_dead_delivery_have_their_reasons(gate: Gate) -> None:
    now = datetime.now(UTC)
    gate.hook.answer(Answer(400, body=b"no such gate"))
    with gate.site.start() as engine:
        engine.wait_ready()
        see(gate, "ABC123", now)
        dead = await_reason(gate, "ABC123", now, "dead")
        assert "no such gate" in dead["answer"]
        Publisher(gate.site.broker.bootstrap_servers).publish(
            gate.site.topic, b'{"plate": "SHED01"}'
        )
        letter = await_reason(gate, "SHED01", datetime.now(UTC), "dead_letter")
        assert "could not be decoded" in letter["answer"]
        with open_store(gate.site.environment["STATE_URL"], OpenMode.TOOL) as store:
            (stored,) = store.archive.alerts(10)
        status, out, err = gate.site.command("explain", stored.alert.alert_id[:8])
        assert (status, err) == (0, "")
        assert "stolen: alert" in out
        assert "as CEL: plate.region != null" in out
        place = f"{stored.topic}:{stored.partition}:{stored.offset}"
        status, out, err = gate.site.command("explain", place, "--format", "json")
        assert (status, err) == (0, "")
        found = {each["rule_id"]: each["verdict"] for each in json.loads(out)["rules"]}
        assert found == {"stolen": "alert", "shed": "false", "asleep": "false", "broken": "false"}
        assert engine.stop() == 0
