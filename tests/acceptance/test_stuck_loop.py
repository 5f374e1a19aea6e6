"""A loop that hangs in a running engine: it says so, though the loop can't, and mends with it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.engine_process import EngineProcess
from tests.support.gate import Gate, open_gate
from tests.support.halted_thread import main_thread_halted
from tests.support.kafka import Broker
from tests.support.patience import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="halting a thread is Linux's"),
]


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    """One webhook that is told of every plate."""
    with open_gate(broker, tmp_path) as opened:
        yield opened


def halt_loop(engine: EngineProcess) -> ExitStack:
    """Halt the loop, which is the main thread, while the others go on; closing lets it go on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        stack = ExitStack()
        try:
            stack.enter_context(main_thread_halted(engine.pid))
        except PermissionError as error:
            pytest.skip(f"the system lets no process halt another: {error}")
        try:
            engine.get("/healthz", 5.0)
        except OSError:
            # It was halted with Python's lock in its hand.
            stack.close()
            assert time.monotonic() < deadline
        else:
            return stack


def test_a_loop_that_hangs_is_not_ready_and_goes_on_when_it_can(gate: Gate) -> None:
    with gate.site.start() as engine:
        gate.await_plates(gate.see(3))
        engine.wait_ready()
        with halt_loop(engine):
            assert engine.readiness()[0], "not at once"
            missed = gate.see(3)
            body = engine.wait_ready(False)
            check = body["checks"]["consuming"]
            assert check["ok"] is False
            assert re.match(r"stuck for \d+ s: waiting for records", check["detail"])
            assert body["checks"]["threads"]["ok"] is True
            assert engine.metric("alert_engine_consuming") == 0
            age = engine.metric("alert_engine_heartbeat_age_seconds", thread="loop")
            assert age is not None
            assert age > 15
            # It may yet go on by itself.
            assert engine.get("/healthz")[0] == 200
        engine.wait_ready()
        gate.await_plates(missed)
        assert engine.metric("alert_engine_consuming") == 1
        assert engine.stop() == 0
