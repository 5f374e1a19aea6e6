"""Starting: loading many rules in a fresh process, and the idle service with the shipped rules.

The table's times are those of whole processes, which match a few events too; the figures tell the
load alone, with a message template of its own for each rule, and what the rules keep in memory.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from benchmarks.machine import resident_megabytes
from benchmarks.measure import Measurement
from engine.bench.measurement import Result, measure_set
from engine.bench.rule_sets import MeasuredSet, SetKind, mixed_rules, rule_file
from engine.demo.servers import RegistryServer
from tests.support.avro import PLATE_EVENT
from tests.support.engine_process import EngineProcess
from tests.support.mock_cluster import MockCluster

SECTION = "9 start"
TOPIC = "plates"
MATCH_SECONDS = 0.01
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("rules", "rounds"), [(1_000, 3), (10_000, 2)])
def test_load(measure: Measurement, tmp_path: Path, rules: int, rounds: int) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(rule_file(mixed_rules(rules)), encoding="utf-8")
    measured = MeasuredSet(SetKind.MIXED, rules, (path,))
    loads: list[Result] = []

    def load() -> None:
        loads.append(measure_set(measured, PLATE_EVENT, ZoneInfo("UTC"), MATCH_SECONDS))

    measure.rounds("load rules, a process", load, rounds)
    assert {each.rules for each in loads} == {rules}
    name = f"{rules:,} rules"
    seconds = statistics.median(each.compile_seconds for each in loads)
    measure.tell(SECTION, f"{name}, load", seconds, "s")
    cpu = statistics.median(each.compile_cpu_seconds for each in loads)
    measure.tell(SECTION, f"{name}, load, processor alone", cpu, "s")
    growth = statistics.median(each.rss_mb or math.nan for each in loads)
    measure.tell(SECTION, f"{name}, memory kept", growth, "MB")
    measure.tell(SECTION, f"{name}, process's peak", loads[0].peak_rss_mb or math.nan, "MB")


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
