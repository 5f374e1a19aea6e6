from __future__ import annotations

import dataclasses
import json
import socket
import time as clock
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import pytest

from engine.errors import RegistryUnavailableError, SettingsError
from engine.health import Heartbeat, Stage
from engine.pipeline.active_rules import targets_of
from engine.reload.history import load_rule_set
from engine.rules import RuleSet
from engine.service.engine import HELD_LONG_SECONDS, Engine
from engine.service.http import StoreProbe
from engine.settings import Settings
from engine.store import DeliveryState, Instance, NewAlert, OpenMode, Store, Watched, open_store
from tests.support.avro import plate_schema
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.support.rule_files import Mailbox, load_text
from tests.support.stored import save
from tests.unit.manual_time import ManualTime
from tests.unit.pipeline.test_event_log import ALERT
from tests.unit.reload.place import PLAIN, RulesPlace

RULES = """
channels: {ops: 'json://localhost'}
rules:
  - {id: brief, name: B, when: true, notify: [ops], rate_limit: {cooldown_seconds: 5}}
  - {id: long, name: L, when: true, notify: [ops], rate_limit: {cooldown_seconds: 500}}
  - {id: every, name: E, when: true, notify: [], rate_limit: {enabled: false}}
"""


@pytest.fixture
def rule_set(tmp_path: Path) -> RuleSet:
    return load_text(RULES, tmp_path)


def settings_for(folder: Path, port: int) -> Settings:
    return Settings(
        kafka_bootstrap_servers="127.0.0.1:9",
        state_url=f"sqlite:///{folder}/alerts.db",
        metrics_host="127.0.0.1",
        metrics_port=port,
    )


def mailbox_of(rule_set: RuleSet) -> Mailbox:
    (target,) = targets_of(rule_set).values()
    assert isinstance(target, Mailbox)
    return target


def test_an_engine_that_cannot_start_sends_nothing(tmp_path: Path, rule_set: RuleSet) -> None:
    mailbox = mailbox_of(rule_set)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = settings_for(tmp_path, taken.getsockname()[1])
        with open_store(settings.state_url) as store:
            save(store, [NewAlert(ALERT, b"d" * 16, None, 0, (("ops", mailbox.label),))])
        for _ in range(3):
            with pytest.raises(SettingsError, match="METRICS_PORT"):
                Engine(settings, plate_schema(), rule_set).__enter__()
    assert mailbox.alerts == []
    with open_store(settings.state_url, OpenMode.TOOL) as store:
        (delivery,) = store.archive.alerts(1)[0].deliveries
        assert (delivery.state, delivery.tries) == (DeliveryState.WAITING, 0)


def test_without_a_broker_the_engine_runs_says_so_and_ends(
    tmp_path: Path, rule_set: RuleSet
) -> None:
    engine = Engine(settings_for(tmp_path, 0), plate_schema(), rule_set)
    engine.stop.set()
    with engine:
        checks = engine.checks()
        assert not checks["consuming"].is_good
        others = ("store", "rules", "channels", "threads")
        # A disk that is busy elsewhere may make the store's check wait for too long.
        await_that(lambda: all(engine.checks()[name].is_good for name in others), engine.checks)
        engine.run()
    assert b"alert_engine_rules_loaded 3.0" in engine.metrics.exposition()


OTHERS = """
channels: {ops: 'json://localhost', pager: 'json://localhost'}
rules:
  - {id: brief, name: B, when: true, notify: [pager], rate_limit: {cooldown_seconds: 7}}
"""


def test_another_rule_set_comes_into_force_with_its_channels_metrics_and_cooldowns(
    tmp_path: Path, rule_set: RuleSet
) -> None:
    engine = Engine(settings_for(tmp_path, 0), plate_schema(), rule_set)
    engine.stop.set()
    with engine:
        others = load_text(OTHERS, tmp_path)
        engine.use(others)
        assert engine.rule_set is others
        assert engine.pipeline.in_force.rule_set is others
        assert engine.housekeeper.longest_cooldown_seconds == 7.0
        exposition = engine.metrics.exposition().decode()
        assert "alert_engine_rules_loaded 1.0" in exposition
        assert 'alert_engine_deliveries_waiting{channel="pager"} 0.0' in exposition
        sent = 'alert_engine_notifications_sent_total{channel="pager",rule_id="brief"} 0.0'
        assert sent in exposition
        new = NewAlert(ALERT, b"d" * 16, None, 0, (("pager", "pager:mailbox"),))
        save(engine.store, [new])
        engine.dispatcher.wake([])
        mailbox = targets_of(others)["pager:mailbox"]
        assert isinstance(mailbox, Mailbox)
        assert mailbox.arrived.wait(PATIENCE_SECONDS)
    assert len(mailbox.alerts) == 1


def test_the_rules_in_force_are_in_the_store_before_the_first_event_and_at_each_reload(
    tmp_path: Path,
) -> None:
    place = RulesPlace(tmp_path)
    first = place.attempt().result
    place.write(PLAIN, "second")
    second = place.attempt().result
    assert isinstance(first, RuleSet)
    assert isinstance(second, RuleSet)
    place.write(PLAIN)
    settings = settings_for(tmp_path, 0)
    engine = Engine(settings, plate_schema(), first)
    engine.stop.set()
    with engine:
        assert digests_in_force(engine.store) == [first.digest]
        place.write(PLAIN, "second")
        engine.use(second)
        assert digests_in_force(engine.store) == [second.digest]
    with open_store(settings.state_url, OpenMode.TOOL) as store:
        assert digests_in_force(store) == []
        files = store.rule_sets.files(first.digest)
        assert files is not None
        (rule,) = load_rule_set(files, plate_schema(), UTC).rules
        assert (rule.rule_id, rule.place.file) == ("first", str(place.file))


def digests_in_force(store: Store) -> list[str]:
    """The digests of the rule sets that engines have in force now."""
    return [each.digest for each in store.rule_sets.at(clock.time_ns() // 1_000)]


@contextmanager
def engine_by(time: ManualTime, folder: Path, rule_set: RuleSet) -> Iterator[Engine]:
    """An engine that will see its threads grow old by this time."""
    engine = Engine(settings_for(folder, 0), plate_schema(), rule_set)
    engine.heartbeat = Heartbeat(timer=time.monotonic, patience_seconds=0.0)
    with engine:
        # A disk that is busy elsewhere does not make the store bad here.
        engine._store_probe = StoreProbe(engine.store.archive.check_writable, PATIENCE_SECONDS)
        yield engine


def ask(engine: Engine, path: str) -> tuple[int, str]:
    try:
        url = f"http://127.0.0.1:{engine.web.port}{path}"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_loop_that_hangs_is_not_ready_says_where_and_is_lost_after_five_minutes(
    tmp_path: Path, rule_set: RuleSet
) -> None:
    time = ManualTime()
    with engine_by(time, tmp_path, rule_set) as engine:
        engine.heartbeat.beat(Stage.DECODING)
        time.seconds += 15
        assert "stuck" not in engine.checks()["consuming"].detail
        time.seconds += 1
        status, body = ask(engine, "/readyz")
        told = json.loads(body)["checks"]["consuming"]
        assert (status, told["ok"]) == (503, False)
        assert told["detail"].startswith(
            "stuck for 16 s: decoding a record, or waiting for the schema registry; before that: "
        )
        assert ask(engine, "/healthz")[0] == 200
        metrics = ask(engine, "/metrics")[1]
        assert "alert_engine_consuming 0.0" in metrics
        assert 'alert_engine_heartbeat_age_seconds{thread="loop"} 16.0' in metrics
        time.seconds += 285
        status, body = ask(engine, "/healthz")
        assert (status, json.loads(body)["detail"]) == (
            503,
            "loop stuck for 301 s: decoding a record, or waiting for the schema registry",
        )
        engine.heartbeat.beat(Stage.POLLING)
        assert ask(engine, "/healthz")[0] == 200


@pytest.mark.parametrize("name", ["delivery", "housekeeper"])
def test_another_thread_that_hangs_degrades_and_is_no_reason_to_restart(
    tmp_path: Path, rule_set: RuleSet, name: str
) -> None:
    time = ManualTime()
    with engine_by(time, tmp_path, rule_set) as engine:
        assert set(engine.threads) == {"cameras", "delivery", "housekeeper"}
        heartbeat = engine.threads[name] = Heartbeat(time.monotonic, patience_seconds=0.0)
        heartbeat.beat("at work")
        time.seconds += 301
        engine.heartbeat.beat(Stage.POLLING)
        check = engine.checks()["threads"]
        assert (check.is_good, check.is_essential) == (False, False)
        assert check.detail == f"{name} stuck for 301 s: at work"
        assert ask(engine, "/healthz")[0] == 200
        age = f'alert_engine_heartbeat_age_seconds{{thread="{name}"}} 301.0'
        assert age in ask(engine, "/metrics")[1]


@pytest.mark.parametrize("was_killed", [False, True])
def test_after_a_kill_and_no_other_stop_silence_begins_anew(
    tmp_path: Path, rule_set: RuleSet, was_killed: bool
) -> None:
    settings = settings_for(tmp_path, 0)
    with open_store(settings.state_url) as store:
        store.cameras.become_judge("a")
        store.cameras.advance("a", 7, ())
        if was_killed:
            store.instances.beat(Instance("a", "host", "1.0", "digest"))
    with Engine(settings, plate_schema(), rule_set) as engine:
        watched = engine.store.cameras.watched()
    assert watched == Watched(7, 7 if was_killed else 0)


PLATES = [("alpr.plates.detected", number) for number in range(3)]


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def engine(tmp_path: Path, rule_set: RuleSet, time: ManualTime) -> Iterator[Engine]:
    """An engine that has three partitions, by this time; its loop does not run."""
    with engine_by(time, tmp_path, rule_set) as opened:
        opened._clock = time
        opened.consumer._tracker.joined(PLATES)
        yield opened


def readiness(engine: Engine) -> tuple[int, str, bool]:
    """What `/readyz` answers, and whether the metrics say that it consumes."""
    status, body = ask(engine, "/readyz")
    metrics = ask(engine, "/metrics")[1]
    return status, json.loads(body)["status"], "alert_engine_consuming 1.0" in metrics


def hold(engine: Engine, *numbers: int) -> None:
    """Let the first record of these partitions wait for its schema from now on."""
    loop, now = engine.loop, engine._clock.monotonic()
    loop._heads = {PLATES[number]: (7, now) for number in numbers}
    loop._obstacle = RegistryUnavailableError("no schema 9") if numbers else None


def test_partitions_that_wait_for_a_schema_degrade_until_they_are_all_or_wait_long(
    engine: Engine, time: ManualTime
) -> None:
    assert readiness(engine) == (200, "ready", True)
    hold(engine, 0, 2)
    time.seconds += HELD_LONG_SECONDS
    engine.heartbeat.beat(Stage.POLLING)
    assert readiness(engine) == (200, "degraded", True)
    check = json.loads(ask(engine, "/readyz")[1])["checks"]["consuming"]
    assert check == {
        "ok": False,
        "detail": "2 of 3 partitions wait for 120 s: no schema 9",
        "waiting": ["alpr.plates.detected/0", "alpr.plates.detected/2"],
    }
    time.seconds += 1
    assert readiness(engine) == (503, "not ready", False)
    hold(engine)
    assert readiness(engine) == (200, "ready", True)


def test_an_engine_all_of_whose_partitions_wait_for_a_schema_is_not_ready(engine: Engine) -> None:
    hold(engine, 0, 1, 2)
    assert readiness(engine) == (503, "not ready", False)


def test_a_topic_that_is_not_there_degrades_as_long_as_another_is(
    engine: Engine,
) -> None:
    topics = ("alpr.plates.detected", "alpr.later")
    engine.settings = dataclasses.replace(engine.settings, kafka_topics=topics)
    engine.consumer._tracker.topic_missing("alpr.later")
    assert readiness(engine) == (200, "degraded", True)
    assert "no such topic yet: alpr.later" in engine.checks()["consuming"].detail
    engine.consumer._tracker.topic_missing("alpr.plates.detected")
    assert readiness(engine) == (503, "not ready", False)
    engine.consumer._tracker.joined([("alpr.later", 0), ("alpr.plates.detected", 0)])
    assert readiness(engine) == (200, "ready", True)
