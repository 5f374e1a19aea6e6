"""Rules and watchlists that change while the engine runs."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from engine.reload.file_state import QUIET_SECONDS
from tests.support.answers import Answer
from tests.support.gate import Gate, open_gate
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.reload_scene import BROKEN, RULES, Scene, replace, rules

PROMETHEUS_RULES = Path(__file__).parents[2] / "deploy/prometheus/alert-engine.rules.yml"
LISTED = """\
watchlists: {stolen: stolen.csv}
""" + RULES.replace('"true"', """'plate.normalized_text in watchlist("stolen")'""")


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    with open_gate(broker, tmp_path, rules("v0")) as opened:
        yield opened


@contextlib.contextmanager
def running(gate: Gate, **environment: str) -> Iterator[Scene]:
    """The scene of an engine that is ready."""
    with gate.site.start(**environment) as engine, gate.publisher() as publish:
        engine.wait_ready()
        yield Scene(gate, engine, publish)
        assert engine.stop() == 0
        assert "Traceback" not in engine.output


def write_slowly(path: Path, text: str) -> float:
    """Write in place, a few bytes after the other; the longest pause in seconds."""
    longest, before = 0.0, time.monotonic()
    with path.open("w") as file:
        for start in range(0, len(text), 40):
            file.write(text[start : start + 40])
            file.flush()
            # It simulates a slow writer; nothing is waited for.
            time.sleep(0.1)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
    return longest


def alert_condition(name: str) -> str:
    """The expression of a shipped Prometheus alert."""
    shipped = yaml.safe_load(PROMETHEUS_RULES.read_text())
    found = [
        rule for group in shipped["groups"] for rule in group["rules"] if rule["alert"] == name
    ]
    return str(found[0]["expr"])


@pytest.mark.slow
def test_a_file_comes_into_force_however_it_was_written(gate: Gate) -> None:
    path = gate.site.rules
    with running(gate) as scene:
        assert scene.rule_of_a_plate() == "v0"
        path.write_text(rules("v1"))
        scene.await_reload(1)
        assert scene.rule_of_a_plate() == "v1"
        replace(path, rules("v2"))
        scene.await_reload(2)
        assert scene.rule_of_a_plate() == "v2"
        if write_slowly(path, rules("v3")) > 0.8 * QUIET_SECONDS:
            # The machine held the writer up for so long that a half may pass for the whole.
            return
        line = scene.await_reload(3)
        assert (line["cause"], line["added"], line["removed"]) == ("files", 1, 1)
        assert scene.rule_of_a_plate() == "v3"
        # None of the halves was taken for the whole.
        reloads = "alert_engine_rule_reloads_total"
        assert scene.engine.metric(reloads, outcome="refused") == 0
        assert scene.engine.metric(reloads, outcome="loaded") == 3
        assert scene.rules_check() == {"ok": True, "detail": "1 rules in force"}


@pytest.mark.parametrize(
    "name", ["config", pytest.param("config/alert_rules.yaml", marks=pytest.mark.slow)]
)
def test_the_way_in_which_kubernetes_changes_a_mount_is_seen(gate: Gate, name: str) -> None:
    mount = gate.site.folder / "config"
    mount.mkdir()

    def publish(folder: str, version: str) -> None:
        (mount / folder).mkdir()
        (mount / folder / "alert_rules.yaml").write_text(rules(version))
        (mount / "..data_tmp").symlink_to(folder)
        (mount / "..data_tmp").replace(mount / "..data")

    publish("..2026_01", "k1")
    (mount / "alert_rules.yaml").symlink_to("..data/alert_rules.yaml")
    with running(gate, RULES_PATH=str(gate.site.folder / name)) as scene:
        publish("..2026_02", "k2")
        scene.await_reload(1)
        assert scene.rule_of_a_plate() == "k2"


@pytest.mark.slow
def test_broken_rules_change_nothing_and_are_told_until_they_are_mended(gate: Gate) -> None:
    path = gate.site.rules
    with running(gate) as scene:
        replace(path, rules("v1", BROKEN))
        line = scene.await_event("rules.refused")
        assert line["level"] == "error"
        places = [fault.partition(": ")[0] for fault in line["faults"]]
        assert f"{path}:3:17" in places
        assert f"{path}:4:14" in places
        assert any("did you mean" in fault for fault in line["faults"])
        check = scene.rules_check()
        assert not check["ok"]
        assert set(check["faults"]) <= set(line["faults"])
        assert scene.engine.wait_ready()["status"] == "degraded"
        # The very condition of the alert that is shipped for it.
        metric, _, value = alert_condition("AlertEngineRulesOutdated").partition(" == ")
        assert scene.engine.metric(metric) == float(value)
        assert scene.engine.metric("alert_engine_rule_reloads_total", outcome="refused") == 1
        assert scene.rule_of_a_plate() == "v0"
        replace(path, rules("v2"))
        assert scene.await_reload(1)["is_mended"]
        assert scene.rules_check()["ok"]
        assert scene.engine.metric("alert_engine_rules_outdated") == 0
        assert scene.rule_of_a_plate() == "v2"


@pytest.mark.slow
def test_a_signal_loads_unchanged_rules_and_wakes_a_held_channel(gate: Gate) -> None:
    gate.hook.script.clear(lambda request: Answer(404))
    (plate,) = gate.see()
    with running(gate) as scene:
        scene.engine.wait_for_line("target.held")
        gate.hook.script.clear(lambda request: Answer())
        gate.hook.requests.clear()
        scene.engine.signal(signal.SIGHUP)
        assert scene.await_reload(1)["cause"] == "signal"
        # By itself it would be probed half a minute after its hold.
        (request,) = gate.hook.requests.wait_for(1, 20.0)
        assert request.json()["alert"]["message"] == plate
        scene.engine.wait_for_line("target.opened")
        assert scene.rule_of_a_plate() == "v0"


@pytest.mark.slow
def test_deliveries_that_wait_go_to_the_changed_url_of_their_channel(gate: Gate) -> None:
    gate.hook.script.add_rule(lambda request: request.path == "/alerts", Answer(404))
    (plate,) = gate.see()
    with running(gate) as scene:
        scene.engine.wait_for_line("target.held")
        gate.hook.requests.clear()
        replace(gate.site.rules, rules("v1").replace("${HOOK_URL}", "${HOOK_URL}/moved"))
        scene.await_reload(1)
        (request,) = gate.hook.requests.wait_for(1)
        assert (request.path, request.json()["alert"]["message"]) == ("/alerts/moved", plate)


@pytest.mark.slow
def test_deliveries_for_a_channel_that_is_gone_are_dead_and_new_ones_are_sent(gate: Gate) -> None:
    gate.hook.script.clear(lambda request: Answer(404))
    gate.see()
    with HttpReceiver() as other, running(gate) as scene:
        scene.engine.wait_for_line("target.held")
        others = rules("v1").replace("hook", "pager").replace("${HOOK_URL}", f"{other.url}/there")
        replace(gate.site.rules, others)
        scene.await_reload(1)
        removed = scene.await_event("delivery.channel_removed")
        assert (removed["channel"], removed["count"]) == ("hook", 1)
        (plate,) = gate.see()
        (request,) = other.requests.wait_for(1)
        assert request.json()["alert"]["message"] == plate
        dead = "alert_engine_notifications_dead_total"
        assert scene.engine.metric(dead, channel="hook", reason="channel_removed") == 1
        assert scene.engine.wait_ready()["status"] == "ready"


def write_list(gate: Gate, row_count: int, first: int = 0) -> None:
    """A list of so many of the plates that are seen, from this one on."""
    plates = "".join(f"P{number:05}\n" for number in range(first, first + row_count))
    replace(gate.site.folder / "stolen.csv", f"plate\n{plates}")


@pytest.mark.slow
def test_a_short_list_comes_into_force_whatever_is_left_of_it(gate: Gate) -> None:
    write_list(gate, 4)
    gate.site.rules.write_text(rules("v0", LISTED))
    with running(gate) as scene:
        assert scene.rule_of_a_plate() == "v0"
        write_list(gate, 1, 1)
        assert scene.await_reload(1)["watchlists"] == {"stolen": 1}
        assert scene.rule_of_a_plate() == "v0"
        # The last one is removed.
        write_list(gate, 0)
        assert scene.await_reload(2)["watchlists"] == {"stolen": 0}
        assert scene.rules_check()["ok"]
        write_list(gate, 1, 2)
        scene.await_reload(3)
        assert scene.rule_of_a_plate() == "v0"


@pytest.mark.slow
def test_a_long_list_that_lost_most_of_its_rows_is_refused_until_somebody_accepts_it(
    gate: Gate,
) -> None:
    write_list(gate, 200)
    gate.site.rules.write_text(rules("v0", LISTED))
    accept = ("lists", "accept", "stolen")
    with running(gate) as scene:
        await_kept(gate)
        assert gate.site.command("check")[0] == 0
        status, out, _ = gate.site.command(*accept)
        assert (status, out.partition(":")[0]) == (0, "nothing to accept")
        write_list(gate, 50, 100)
        line = scene.await_event("watchlist.refused")
        assert (line["level"], line["rows"], line["rows_in_force"]) == ("error", 50, 200)
        # P00000 is on the list that is still in force, and other changes do not wait.
        replace(gate.site.rules, rules("v1", LISTED))
        scene.await_reload(2)
        assert scene.rule_of_a_plate() == "v1"
        check = scene.rules_check()
        assert "stolen (50 rows)" in check["detail"]
        assert "run `alert-engine lists accept stolen`" in check["faults"][0]
        assert scene.engine.wait_ready()["status"] == "degraded"
        metric, _, value = alert_condition("AlertEngineWatchlistRefused").partition(" == ")
        assert scene.engine.metric(metric, watchlist="stolen") == float(value)
        status, out, _ = gate.site.command("check")
        assert status == 1
        assert "shrank from 200 to 50 rows" in out
        assert "run `alert-engine lists accept stolen`" in out
    # A restart makes no difference.
    with running(gate) as scene:
        scene.await_event("watchlist.refused")
        assert scene.rule_of_a_plate() == "v1"
        assert gate.site.command(*accept)[:2] == (
            0,
            f"accepted: stolen has 50 rows in {gate.site.folder / 'stolen.csv'}, 200 in force",
        )
        line = scene.await_reload(1)
        assert (line["cause"], line["watchlists"]) == ("accepted", {"stolen": 50})
        assert scene.rules_check()["ok"]
        assert scene.engine.metric(metric, watchlist="stolen") == 0
        await_kept(gate, 50)
        assert gate.site.command("check")[0] == 0
    with running(gate) as scene:
        assert scene.rules_check()["ok"]
        samples = scene.engine.metric("alert_engine_watchlist_rows", watchlist="stolen")
        assert samples == 50


@pytest.mark.slow
def test_a_list_that_is_accepted_while_the_engine_is_down_counts_at_its_start(gate: Gate) -> None:
    write_list(gate, 200)
    gate.site.rules.write_text(rules("v0", LISTED))
    with running(gate):
        await_kept(gate)
    write_list(gate, 50)
    assert gate.site.command("lists", "accept", "stolen")[0] == 0
    with running(gate) as scene:
        assert scene.rules_check()["ok"]
        rows = scene.engine.metric("alert_engine_watchlist_rows", watchlist="stolen")
        assert rows == 50


@pytest.mark.slow
def test_what_can_not_be_accepted_is_told_with_a_remedy(gate: Gate) -> None:
    write_list(gate, 3)
    gate.site.rules.write_text(rules("v0", LISTED))
    status, _, err = gate.site.command("lists", "accept", "stolne")
    assert (status, "did you mean `stolen`?" in err) == (2, True)
    status, _, err = gate.site.command("lists", "accept", "stolen")
    assert (status, "set STATE_URL as for the engine" in err) == (2, True)
    gate.site.rules.write_text(rules("v0", LISTED.replace("stolen.csv", "none.csv")))
    status, _, err = gate.site.command("lists", "accept", "stolen")
    assert (status, "there is no file" in err) == (2, True)


def await_kept(gate: Gate, row_count: int | None = None) -> None:
    """Wait until a set with a list of so many rows, or any set, is the last good one."""

    def is_kept() -> bool:
        for path in gate.site.folder.glob("last-good/alerts.db/.set-*/manifest.json"):
            with contextlib.suppress(OSError, ValueError):
                count = json.loads(path.read_text())["lists"]["stolen"][1]
                if row_count in (None, count):
                    return True
        return False

    await_that(is_kept, lambda: "no such set was kept", step_seconds=0.05)
