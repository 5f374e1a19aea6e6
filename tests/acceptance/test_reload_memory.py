"""What a rule set takes goes when another takes its place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import Gate, open_gate
from tests.support.http_receiver import LOOPBACK
from tests.support.kafka import Broker
from tests.support.processes import free_port
from tests.support.reload_scene import rules

# The service in this process' main thread; a second thread changes the rules, and counts the sets
# that are alive once the second set is in force.
PROGRAM = """
import gc, os, signal, threading, time
from pathlib import Path
from engine.logs.setup import configure_logs
from engine.rules import RuleSet
from engine.service.engine import serve
from engine.settings import Settings

def sets():
    gc.unfreeze()
    return [each for each in gc.get_objects() if isinstance(each, RuleSet)]

def await_that(is_so):
    deadline = time.monotonic() + 60
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)

def ids():
    return [rule.rule_id for each in sets() for rule in each.rules]

def change():
    await_that(lambda: "v0" in ids())
    path = Path(os.environ["RULES_PATH"])
    path.write_text(path.read_text().replace("v0", "v1"))
    await_that(lambda: ids() == ["v1"])
    print(*ids(), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=change, daemon=True).start()
configure_logs("INFO", "json", redact=str)
serve(Settings.from_environment())
"""


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    port = str(free_port())
    with open_gate(
        broker, tmp_path, rules("v0"), METRICS_HOST=LOOPBACK, METRICS_PORT=port
    ) as opened:
        yield opened


@pytest.mark.slow
def test_a_set_that_is_replaced_is_gone_also_the_first(gate: Gate) -> None:
    site = gate.site
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=site.environment,
        cwd=site.folder,
        capture_output=True,
        text=True,
        timeout=200.0,
        check=True,
    )
    assert done.stdout.split() == ["v1"], done.stderr
