"""Starting: loading many rules in a fresh process, and the idle service with the shipped rules.

The table's times are those of whole processes; the figures tell the load alone, with a message
template of its own for each rule, and what the rules keep in memory.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load_probe import ROOT, Loaded, probe
from benchmarks.machine import resident_megabytes
from benchmarks.measure import Measurement
from benchmarks.mixed_rules import mixed_rules, rule_file
from engine.stream.registry_server import RegistryServer
from tests.support.engine_process import EngineProcess
from tests.support.mock_cluster import MockCluster

SECTION = "9 start"
TOPIC = "plates"


@pytest.mark.parametrize(("rules", "rounds"), [(1_000, 3), (10_000, 2)])
def test_load(measure: Measurement, tmp_path: Path, rules: int, rounds: int) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(rule_file(mixed_rules(rules)), encoding="utf-8")
    loads: list[Loaded] = []
    measure.rounds("load rules, a process", lambda: loads.append(probe(path)), rounds)
    assert {each.rules for each in loads} == {rules}
    name = f"{rules:,} rules"
    measure.tell(SECTION, f"{name}, load", statistics.median(x.seconds for x in loads), "s")
    cpu = statistics.median(each.cpu_seconds for each in loads)
    measure.tell(SECTION, f"{name}, load, processor alone", cpu, "s")
    growth = statistics.median(each.growth_megabytes for each in loads)
    measure.tell(SECTION, f"{name}, memory kept", growth, "MB")
    measure.tell(SECTION, f"{name}, process's peak", loads[0].peak_megabytes, "MB")


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the service needs around it."""
    with MockCluster([TOPIC]) as cluster, RegistryServer() as registry:
        yield {
            "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
            "KAFKA_TOPIC": TOPIC,
            "SCHEMA_REGISTRY_URL": registry.url,
            "RULES_PATH": str(ROOT / "rules"),
            "SCHEMAS_PATH": str(ROOT / "schemas"),
            "STATE_URL": f"sqlite:///{tmp_path}/alerts.db",
            "LOG_FORMAT": "json",
        }


def test_service(measure: Measurement, tmp_path: Path, environment: dict[str, str]) -> None:
    sizes: list[float] = []
    ready: list[float] = []

    def start() -> None:
        started = time.perf_counter()
        with EngineProcess(environment, tmp_path) as engine:
            engine.wait_ready()
            ready.append(time.perf_counter() - started)
            sizes.append(resident_megabytes(engine.pid))
            assert engine.stop() == 0

    measure.rounds("service, start to stop", start, 1)
    measure.tell(SECTION, "service, start until it is ready", ready[0], "s")
    measure.tell(SECTION, "service, idle memory", sizes[0], "MB")
