"""A log that nobody reads holds up nothing: not alerts, not the end, not what ends the process."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine_process import EngineProcess
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker

EVENTS = 400
BEGIN = """
import gc, sys, warnings
from engine.logs.setup import configure_logs, take_over_output
from engine.stream.options import ClientLog
import structlog

def redact(line):
    return line.replace("hunter2", "***")

configure_logs("info", "json", redact=redact)
take_over_output(redact)
"""
CRASH = """
structlog.get_logger().info("before")
raise RuntimeError("the password is hunter2")
"""
# Ways to write to standard error, each more than a pipe takes; the last one ends the process.
WRITERS = """
class Odd:
    def __del__(self):
        raise RuntimeError('o' * 100_000)
Odd()
gc.collect()
print('p' * 100_000)
sys.stderr.write('s' * 100_000)
warnings.warn('w' * 100_000)
ClientLog().log(50, '%s [%s] %s', 'FAIL', 'rdkafka', 'k' * 100_000)
structlog.get_logger().error('l' * 100_000)
"""
ENDS = {"crash": "raise RuntimeError('e' * 100_000)", "exit": "sys.exit('e' * 100_000)"}


@pytest.fixture
def unread() -> Iterator[int]:
    """The writing end of a pipe of one page, which nobody reads, and which is full."""
    reading, writing = os.pipe()
    size = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"." * size)
    yield writing
    os.close(writing)
    os.close(reading)


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    """One webhook that is told of every plate."""
    with open_gate(broker, tmp_path) as opened:
        yield opened


@pytest.mark.slow
def test_an_engine_whose_log_nobody_reads_sends_all_alerts_and_ends_in_time(
    gate: Gate, unread: int
) -> None:
    plates = gate.see(EVENTS)
    environment = {**gate.site.environment, "LOG_LEVEL": "debug"}
    with EngineProcess(environment, gate.site.folder, stderr=unread) as engine:
        gate.await_plates(plates)
        gate.site.await_consumed()
        assert engine.wait_ready()["status"] == "ready"
        assert engine.metric("alert_engine_log_lines_lost_total") == 0
        assert engine.stop() == 0
    assert gate.counts() == dict.fromkeys(plates, 1)


def test_faults_that_nobody_reads_end_the_start_all_the_same(tmp_path: Path, unread: int) -> None:
    rules = "".join(f"  - {{id: r{number}, when: nothing}}\n" for number in range(2_000))
    (tmp_path / "rules.yaml").write_text(f"rules:\n{rules}")
    environment = {"RULES_PATH": str(tmp_path / "rules.yaml"), "STATE_URL": "sqlite:///alerts.db"}
    with EngineProcess(environment, tmp_path, stderr=unread) as engine:
        assert engine.wait() == 1


@pytest.mark.slow
def test_settings_that_nobody_reads_about_end_the_start_too(tmp_path: Path, unread: int) -> None:
    environment = {"BATCH_SIZE": "many", "STATE_URL": "sqlite:///alerts.db"}
    with EngineProcess(environment, tmp_path, stderr=unread) as engine:
        assert engine.wait() == 2


def run_script(script: str, stderr: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + script],
        stdout=subprocess.PIPE,
        stderr=stderr,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("end", ENDS)
def test_no_way_to_write_waits_for_a_reader(end: str, unread: int) -> None:
    done = run_script(WRITERS + ENDS[end], unread)
    assert (done.returncode, done.stdout) == (1, b"")


def test_what_ends_the_process_is_a_line_of_the_log_without_secrets() -> None:
    done = run_script(CRASH, subprocess.PIPE)
    before, crashed = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert before["event"] == "before"
    assert (crashed["event"], crashed["level"]) == ("engine.crashed", "critical")
    assert "RuntimeError: the password is ***" in crashed["exception"]


@pytest.mark.parametrize("end", ENDS)
def test_what_is_written_in_any_way_arrives_whole_where_somebody_reads(end: str) -> None:
    read = run_script(WRITERS + ENDS[end], subprocess.PIPE).stderr
    assert [letter for letter in "opswkle" if read.count(letter.encode()) < 100_000] == []


def test_values_are_those_of_the_moment_of_the_call() -> None:
    script = """
plates = ["one"]
for number in range(200):
    structlog.get_logger().info("seen", plates=plates)
    plates[0] = "other"
"""
    lines = run_script(script, subprocess.PIPE).stderr.splitlines()
    assert [json.loads(line)["plates"] for line in lines] == [["one"]] + [["other"]] * 199
