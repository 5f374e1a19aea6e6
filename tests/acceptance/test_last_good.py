"""A start whose rules are broken runs on the last good ones, and says so everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from engine.reload.history import ChangeKind, changes, load_rule_set
from engine.store import OpenMode, open_store
from tests.acceptance.test_reload import LISTED, await_kept, running, write_list
from tests.support.avro import plate_schema
from tests.support.command import Finished, alert_engine_process
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.reload_scene import BROKEN, replace, rules


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    """A list and rules that were good once, and were kept."""
    with open_gate(broker, tmp_path, rules("good", LISTED)) as opened:
        write_list(opened, 20)
        yield opened


def strict_start(gate: Gate) -> Finished:
    """What `run --strict` says of rules that it does not start with."""
    site = gate.site
    return alert_engine_process(site.folder, "run", "--strict", variables=site.environment)


def run_well(gate: Gate) -> None:
    with running(gate):
        await_kept(gate)


@pytest.mark.slow
def test_a_start_with_broken_rules_runs_on_the_last_good_ones_until_they_are_mended(
    gate: Gate,
) -> None:
    run_well(gate)
    replace(gate.site.rules, rules("bad", BROKEN))
    (gate.site.folder / "stolen.csv").unlink()
    with running(gate) as scene:
        line = scene.await_event("rules.last_good")
        assert line["level"] == "error"
        assert line["loaded_from"] == str(gate.site.rules)
        assert any(fault.startswith(f"{gate.site.rules}:3:17: ") for fault in line["faults"])
        check = scene.rules_check()
        assert not check["ok"]
        assert "of the last good set, kept at" in check["detail"]
        assert scene.engine.metric("alert_engine_rules_outdated") == 1
        assert scene.rule_of_a_plate() == "good"
        write_list(gate, 20)
        replace(gate.site.rules, rules("mended", LISTED))
        assert scene.await_reload(1)["is_mended"]
        assert scene.rules_check()["ok"]
        assert scene.rule_of_a_plate() == "mended"


@pytest.mark.slow
def test_a_start_without_any_rules_runs_on_the_last_good_ones(gate: Gate) -> None:
    run_well(gate)
    gate.site.rules.unlink()
    with running(gate) as scene:
        assert "there is no such file" in scene.await_event("rules.last_good")["faults"][0]
        assert scene.rule_of_a_plate() == "good"
        gate.site.rules.write_text(rules("again", LISTED))
        scene.await_reload(1)
        assert scene.rule_of_a_plate() == "again"


@pytest.mark.slow
def test_a_list_that_was_cut_off_between_two_starts_is_not_taken(gate: Gate) -> None:
    write_list(gate, 200)
    run_well(gate)
    write_list(gate, 1)
    with running(gate) as scene:
        line = scene.await_event("watchlist.refused")
        assert "shrank from 200 to 1 row" in line["what"]
        # P00001 is on the list that was kept.
        assert scene.rule_of_a_plate() == "good"


@pytest.mark.slow
def test_strict_refuses_broken_rules(gate: Gate) -> None:
    run_well(gate)
    replace(gate.site.rules, rules("bad", BROKEN))
    done = alert_engine_process(
        gate.site.folder, "run", "--strict", variables=gate.site.environment
    )
    assert done.status == 1
    assert f"{gate.site.rules}:3:17: " in done.stderr
    gate.site.rules.unlink()
    done = alert_engine_process(
        gate.site.folder, "run", "--strict", variables=gate.site.environment
    )
    assert done.status == 2


@pytest.mark.slow
def test_a_first_start_with_broken_rules_is_refused(gate: Gate) -> None:
    replace(gate.site.rules, rules("bad", BROKEN))
    done = alert_engine_process(gate.site.folder, "run", variables=gate.site.environment)
    assert done.status == 1
    assert f"{gate.site.rules}:3:17: " in done.stderr
    assert not (gate.site.folder / "last-good").exists()


@pytest.mark.slow
def test_the_last_good_rules_run_with_a_channel_held_whose_variable_is_unset(gate: Gate) -> None:
    run_well(gate)
    replace(gate.site.rules, rules("bad", BROKEN))
    with running(gate, HOOK_URL="") as scene:
        assert scene.await_event("rules.last_good")["rules"] == 1
        assert "HOOK_URL" in scene.await_event("channel.misconfigured")["faults"][0]


@pytest.mark.slow
def test_an_unset_variable_holds_its_channel_and_its_alerts_wait_for_the_restart(
    gate: Gate,
) -> None:
    done = alert_engine_process(
        gate.site.folder, "run", "--strict", variables={**gate.site.environment, "HOOK_URL": ""}
    )
    assert done.status == 1
    assert "HOOK_URL is unset or empty" in done.stderr
    with running(gate, HOOK_URL="") as scene:
        line = scene.await_event("channel.misconfigured")
        assert (line["level"], line["channel"]) == ("error", "hook")
        answer = scene.engine.wait_ready()
        assert answer["status"] == "degraded"
        check = answer["checks"]["channels"]
        assert "HOOK_URL is unset or empty" in check["misconfigured"]["hook"][0]
        assert scene.engine.metric("alert_engine_channel_held", channel="hook") == 1
        plates = gate.see(2)
        scene.engine.wait_for_line('"event": "alert.stored"', 2)
        assert not gate.counts()
    with running(gate):
        gate.await_plates(plates)
    assert set(gate.counts().values()) == {1}


MISCONFIGURED = r'^(?=.*NAME is unset or empty).*"event": "channel.misconfigured"'


def what_is_shown(gate: Gate) -> str:
    """What `alerts show` says of the one delivery."""
    (alert,) = gate.site.alerts()
    status, out, err = gate.site.command("alerts", "show", alert["alert_id"], "--format", "json")
    assert status == 0, err
    (delivery,) = json.loads(out)["deliveries"]
    assert delivery["state"] == "waiting"
    return str(delivery["detail"])


@pytest.mark.slow
def test_a_reload_with_another_fault_is_shown_wherever_the_held_channel_is(gate: Gate) -> None:
    with running(gate, HOOK_URL="") as scene:
        scene.await_event("channel.misconfigured")
        gate.see(1)
        scene.engine.wait_for_line('"event": "alert.stored"')
        scene.engine.wait_for_line(MISCONFIGURED.replace("NAME", "HOOK_URL"))
        assert "HOOK_URL is unset or empty" in what_is_shown(gate)
        replace(gate.site.rules, rules("other", LISTED.replace("HOOK_URL", "OTHER_URL")))
        scene.engine.wait_for_line(MISCONFIGURED.replace("NAME", "OTHER_URL"))
        (fault,) = scene.engine.wait_ready()["checks"]["channels"]["misconfigured"]["hook"]
        for text in (fault, what_is_shown(gate)):
            assert "OTHER_URL is unset or empty" in text
            assert "HOOK_URL" not in text


@pytest.mark.slow
def test_the_rules_of_an_alert_are_found_after_a_restart_with_other_rules(gate: Gate) -> None:
    with running(gate) as scene:
        assert scene.rule_of_a_plate() == "good"
    replace(gate.site.rules, rules("other"))
    (gate.site.folder / "stolen.csv").unlink()
    with running(gate) as scene:
        assert scene.rule_of_a_plate() == "other"
        with open_store(gate.site.environment["STATE_URL"], OpenMode.TOOL) as store:
            other, good = store.archive.alerts(2)
            found = [
                load_rule_set(files, plate_schema(), UTC)
                for alert in (good, other)
                if (files := store.rule_sets.files(alert.rules_digest)) is not None
            ]
    assert [[rule.rule_id for rule in each.rules] for each in found] == [["good"], ["other"]]
    assert found[0].watchlists["stolen"].row_count == 20
    assert {each.kind for each in changes(*found).values()} == {ChangeKind.NEW, ChangeKind.GONE}
