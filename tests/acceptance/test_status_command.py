"""`alert-engine status` and `alert-engine store copy`, on stores without a running process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.store import CameraReport, Instance, OpenMode, Store, open_store
from engine.store.migrate import SCHEMA_VERSION
from tests.support.command import Finished, alert_engine
from tests.support.postgresql import PostgreSQL
from tests.unit.store.samples import Samples, add, fill, state_url

ONE = Instance("gate-1-abc", "gate-1", "1.0", "0a1b2c", ("plates/0", "plates/1"), 12)
OTHER = Instance("gate-2-def", "gate-2", "1.0", "0a1b2c", ("plates/2",), 0)

pytestmark = pytest.mark.waits


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of its own, on either engine."""
    if request.param == "sqlite":
        return state_url(tmp_path)
    found: str = request.getfixturevalue("database")
    return found


def status(
    folder: Path, url: str, *arguments: str, variables: Mapping[str, str] | None = None
) -> Finished:
    given = {"STATE_URL": url, **(variables or {})}
    return alert_engine(folder, "status", *arguments, variables=given)


def told(folder: Path, url: str) -> dict[str, Any]:
    """What it tells as JSON; AssertionError where the exit code says otherwise."""
    done = status(folder, url, "--format", "json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.status == (0 if found["is_good"] else 1)
    return found


def beat(store: Store, *instances: Instance) -> None:
    for each in instances:
        store.instances.beat(each)


def test_engines_that_agree_are_good(url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        beat(store, ONE, OTHER)
        found = told(tmp_path, url)
        done = status(tmp_path, url)
    assert found["problems"] == []
    assert [each["instance_id"] for each in found["replicas"]] == ["gate-1-abc", "gate-2-def"]
    assert [each["lag"] for each in found["replicas"]] == [12, 0]
    assert found["store"]["rows"]["instances"] == 2
    assert done.status == 0
    assert done.stdout.splitlines()[-1] == "good"
    assert "plates/0,1" in done.stdout


def test_rules_that_differ_are_wrong(url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        beat(store, ONE, replace(OTHER, rules_digest="3d4e5f"))
        found = told(tmp_path, url)
        done = status(tmp_path, url)
    assert found["rule_sets_differ"]
    assert found["problems"][0].startswith("the engines have different rules")
    assert done.status == 1
    assert "wrong: the engines have different rules" in done.stdout


def test_a_store_without_an_engine_is_wrong(url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        beat(store, ONE)
        store.instances.forget(ONE.instance_id)
    found = told(tmp_path, url)
    assert [problem.partition(":")[0] for problem in found["problems"]] == [
        "no engine runs on this store"
    ]


def test_cameras_are_shown_with_their_silence(url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        beat(store, ONE)
        now_us = store.deliveries.now_us()
        store.cameras.note(ONE.instance_id, {"gate-a": now_us, "gate-b": now_us - 7_200_000_000})
        store.cameras.become_judge(ONE.instance_id)
        store.cameras.advance(ONE.instance_id, 0, ["gate-c"])
        states = {each.camera_id: each for each in store.cameras.all()}
        silent = CameraReport(states["gate-b"], True, Samples().new(rule_id="camera_silent"))
        assert store.cameras.report(ONE.instance_id, lambda now: [silent])
        found = told(tmp_path, url)["cameras"]
        shown = status(tmp_path, url).stdout
    by_id = {each["camera_id"]: each for each in found}
    assert by_id["gate-a"]["silent_since"] is None
    assert by_id["gate-b"]["silent_since"] == by_id["gate-b"]["last_seen"]
    assert by_id["gate-c"]["last_seen"] is None
    lines = [line.split() for line in shown.splitlines() if line.startswith("gate-")]
    assert [line[0] for line in lines if line[0] in by_id] == ["gate-b", "gate-a", "gate-c"]


def test_one_engine_that_is_left_of_two_is_wrong(url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        now = store.deliveries.now_us() / 1e6
    with open_store(url, clock=lambda: now - 3_600) as store:
        beat(store, ONE, OTHER)
    with open_store(url, clock=lambda: now - 3_500) as store:
        beat(store, ONE)
    with open_store(url) as store:
        beat(store, ONE)
        found = told(tmp_path, url)
    assert [each["is_running"] for each in found["replicas"]] == [True, False]
    assert found["problems"][0].startswith("one engine is left of 2 that ran at once")


def test_one_engine_after_another_was_never_more_than_one(url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        now = store.deliveries.now_us() / 1e6
    with open_store(url, clock=lambda: now - 3_600) as store:
        beat(store, OTHER)
    with open_store(url) as store:
        beat(store, ONE)
        assert told(tmp_path, url)["problems"] == []


def test_held_targets_what_waits_and_what_died_are_told(url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        fill(store, Samples())
        beat(store, ONE)
        found = told(tmp_path, url)
        done = status(tmp_path, url)
    assert found["problems"] == ["1 target is held: see the reason, and correct it"]
    (hold,) = found["held"]
    assert (hold["target_id"], hold["reason"], hold["detail"]) == (
        "mail/bob",
        "unauthorized",
        "535 no",
    )
    assert {each["channel"]: each["count"] for each in found["waiting"]} == {"hook": 3, "mail": 10}
    assert found["dead_within_a_day"] == {"hook": 1}
    assert found["dead_letters"]["count"] == 1
    assert "535 no" in done.stdout


def test_a_store_that_is_away_is_wrong(tmp_path: Path, own_postgresql: PostgreSQL) -> None:
    url = own_postgresql.create_database()
    with open_store(url) as store:
        beat(store, ONE)
    own_postgresql.stop()
    done = status(tmp_path, url, "--format", "json")
    assert done.status == 1
    assert not json.loads(done.stdout)["is_good"]
    assert status(tmp_path, url).status == 1


def test_the_password_is_not_told(tmp_path: Path) -> None:
    with PostgreSQL(password="s3cret-word") as server:
        url = server.create_database()
        with open_store(url) as store:
            beat(store, ONE)
        without = url.replace(":s3cret-word@", "@")
        done = status(tmp_path, without, variables={"STATE_PASSWORD": "s3cret-word"})
    assert done.status == 0
    assert "s3cret-word" not in done.output
    assert "postgresql://" in done.stdout


@pytest.mark.parametrize("url", ["mysql://host/alerts", "sqlite:///nowhere/alerts.db"])
def test_what_is_no_store_is_unusable(url: str, tmp_path: Path) -> None:
    done = status(tmp_path, url)
    assert done.status == 2
    assert "Traceback" not in done.stderr


def test_a_copy_prints_what_both_stores_hold(tmp_path: Path, database: str) -> None:
    source = state_url(tmp_path)
    with open_store(source) as store:
        fill(store, Samples())
    done = alert_engine(tmp_path, "store", "copy", source, database)
    assert (done.status, done.stderr) == (0, "")
    rows = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[:-1]}
    assert rows["deliveries"] == "15"
    assert done.stdout.splitlines()[-1] == "copied: both stores hold the same"
    again = alert_engine(tmp_path, "store", "copy", source, database)
    assert again.stdout.splitlines()[-1] == "nothing to copy: both stores hold the same"


def test_a_copy_over_alerts_of_its_own_is_refused(tmp_path: Path, database: str) -> None:
    source = state_url(tmp_path)
    with open_store(source) as store:
        fill(store, Samples())
    with open_store(database) as store:
        add(store, Samples(made=100).new("mail/ann"))
    done = alert_engine(tmp_path, "store", "copy", source, database)
    assert done.status == 2
    assert "has rows of its own" in done.stderr


def test_a_store_is_made_and_carried_over_by_a_command(tmp_path: Path) -> None:
    url = state_url(tmp_path)
    for _ in range(2):
        done = alert_engine(tmp_path, "store", "migrate", variables={"STATE_URL": url})
        assert (done.status, done.stderr) == (0, "")
        assert f"is ready: its schema version is {SCHEMA_VERSION} or newer" in done.stdout
    with open_store(url, OpenMode.TOOL):
        pass
