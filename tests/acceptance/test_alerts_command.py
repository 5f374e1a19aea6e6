"""`alert-engine alerts` beside a running engine: what was alerted, and sending it once more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channels.alert import Alert, Priority
from engine.store import NewAlert, open_store
from tests.support.answers import Answer
from tests.support.command import alert_engine
from tests.support.engine_process import EngineProcess
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.stored import save
from tests.support.walkthrough import run_here
from tests.unit.store.samples import state_url


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    """One webhook that is told of every plate."""
    with open_gate(broker, tmp_path) as opened:
        yield opened


def await_state(gate: Gate, plate: str, state: str) -> dict[str, Any]:
    """The alert of this plate, once its delivery is in this state; AssertionError if never."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        listed = gate.site.alerts("--state", state)
        found.extend(alert for alert in listed if alert["message"] == plate)
        return bool(found)

    await_that(is_there, gate.site.alerts)
    return found[0]


def redeliver(gate: Gate, *arguments: str) -> str:
    """What the command says of a redelivery."""
    status, out, err = gate.site.command("alerts", "redeliver", *arguments)
    assert (status, err) == (0, "")
    return out.rstrip("\n")


@pytest.mark.slow
def test_a_dead_delivery_is_sent_after_a_redelivery(gate: Gate) -> None:
    gate.hook.answer(Answer(400, body=b"no such gate"))
    with gate.site.start() as engine:
        (plate,) = gate.see()
        gate.hook.wait_for(1)
        dead = await_state(gate, plate, "dead")
        (delivery,) = dead["deliveries"]
        assert (delivery["reason"], delivery["tries"]) == ("bad_request", 1)
        assert "no such gate" in delivery["detail"]
        assert redeliver(gate, dead["alert_id"][:8]) == "deliveries opened: 1, holds released: 0"
        gate.hook.wait_for(2)
        sent = await_state(gate, plate, "sent")
        assert sent["alert_id"] == dead["alert_id"]
        assert redeliver(gate, dead["alert_id"][:8]) == "deliveries opened: 1, holds released: 0"
        gate.hook.wait_for(3)
        assert engine.stop() == 0
    keys = [request.headers["idempotency-key"] for request in gate.hook.requests.all()]
    # What was sent is asked for once more: a receiver must not take it for a repetition.
    assert keys[0] == keys[1] != keys[2]


def await_held(gate: Gate, engine: EngineProcess, count: int) -> None:
    """Return when so many targets are held, and the store has it so."""
    held = "alert_engine_channel_held"
    await_that(lambda: engine.metric(held, channel="hook") == count, lambda: engine.output)
    gate.site.await_holds("hook", count)


@pytest.mark.slow
def test_a_held_channel_is_woken_by_a_redelivery(gate: Gate) -> None:
    gate.hook.answer_when(lambda request: True, Answer(401))
    with gate.site.start() as engine:
        engine.wait_ready()
        plates = gate.see(3)
        # After a 401 the two others are a second opinion, asked for at once.
        gate.hook.wait_for(3)
        await_held(gate, engine, 1)
        assert engine.wait_ready()["status"] == "degraded"
        gate.hook.script.clear()
        # The next probe by itself comes only after half a minute.
        assert redeliver(gate, "--channel", "hook") == "deliveries opened: 0, holds released: 1"
        gate.await_plates(plates, 25.0)
        await_held(gate, engine, 0)
        assert engine.wait_ready()["status"] == "ready"


@pytest.mark.slow
def test_alerts_are_listed_and_shown(gate: Gate) -> None:
    with gate.site.start():
        plates = gate.see(3)
        gate.await_plates(plates)
        newest = await_state(gate, plates[-1], "sent")
    only = ("--limit", "2", "--since", "1h", "--channel", "hook", "--state", "sent")
    assert len(gate.site.alerts(*only)) == 2
    assert gate.site.alerts("--rule", "another") == []
    assert gate.site.alerts("--until", "1h") == []
    (found,) = gate.site.alerts("--plate", plates[1].lower(), "--until", "0s")
    assert (found["message"], "is_test" in found) == (plates[1], False)
    (found,) = gate.site.alerts("--camera", f"cam-{plates[2][-1]}")
    assert found["message"] == plates[2]

    status, out, _ = gate.site.command("alerts", "list")
    assert status == 0
    heading, *lines = out.splitlines()
    assert heading.split() == ["alert", "created", "rule", "priority", "deliveries", "message"]
    assert sorted(line.split()[-1] for line in lines if line) == plates

    beginning = newest["alert_id"][:8]
    status, out, _ = gate.site.command("alerts", "show", beginning)
    assert status == 0
    assert newest["alert_id"] in out
    assert f'"normalized_text": "{plates[-1]}"' in out


def test_a_near_match_is_shown_with_both_plates_and_an_exact_one_without(tmp_path: Path) -> None:
    url = state_url(tmp_path)
    event = {"plate": {"normalized_text": "A8C123"}}
    with open_store(url) as store:
        for name, plate, likeness in (("near", "ABC123", 0.967), ("same", "", 1.0)):
            alert = Alert(
                *(name, "r", "R", Priority.LOW, "m", "then", "then"),
                event=event,
                matched_plate=plate,
                likeness=likeness,
            )
            save(store, [NewAlert(alert, name.encode() * 4, None, 1)])
        near, same, listed, table = (
            run_here({"STATE_URL": url}, "alerts", *command).stdout
            for command in (
                ("show", "near"),
                ("show", "same"),
                ("list", "--format", "json"),
                ("list",),
            )
        )
    words = "possible read A8C123, listed ABC123 (97 %)"
    assert words in [" ".join(line.split()) for line in near.splitlines()]
    assert "possible" not in same
    told = {
        each["alert_id"]: (each["matched_plate"], each["likeness"]) for each in json.loads(listed)
    }
    lines = [line.split() for line in table.splitlines()]
    assert {each[0]: each[-2:] for each in lines[1:] if each} == {
        "near": ["possible:", "m"],
        "same": ["channel", "m"],
    }
    assert told == {"near": ("ABC123", 0.967), "same": (None, 1.0)}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["redeliver", "nosuch"], "no single alert's id begins with 'nosuch'"),
        (["show", "nosuch"], "no single alert's id begins with 'nosuch'"),
        (["list", "--since", "soon"], "--since: 'soon' is neither an age such as 24h"),
        (["list", "--until", "soon"], "--until: 'soon' is neither an age such as 24h"),
        (["list", "--limit", "-1"], "argument --limit: "),
    ],
    ids=["redeliver unknown", "unknown id", "bad age", "bad end", "bad limit"],
)
def test_what_can_not_be_used_is_told(arguments: list[str], told: str, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/alerts.db"):
        pass
    variables = {"STATE_URL": f"sqlite:///{tmp_path}/alerts.db"}
    done = alert_engine(tmp_path, "alerts", *arguments, variables=variables)
    assert done.status == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = alert_engine(tmp_path, "alerts", "list")
    assert done.status == 2
    assert "there is no store" in done.stderr
    assert list(tmp_path.iterdir()) == []
