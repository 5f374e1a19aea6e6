"""An engine that is killed again and again, and what its receivers say of that."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.answers import Request
from tests.support.engine_process import EngineProcess
from tests.support.gate import Gate, open_gate, plate_of
from tests.support.kafka import Broker

# Two channels, so that sends are in flight singly and side by side.
RULES = """\
channels:
  one: {url: "${HOOK_URL}/one", concurrency: 1, timeout: 10}
  four: {url: "${HOOK_URL}/four", concurrency: 4, timeout: 10}
rules:
  - id: every
    name: Every Plate
    priority: high
    when: "true"
    notify: [one, four]
    rate_limit: {enabled: false}
    message_template: "{plate.normalized_text}"
"""
IN_FLIGHT = {"/alerts/one": 1, "/alerts/four": 4}
LOAD = 40
BATCH_SIZE = "8"
DEATH_SECONDS = 60.0
DRAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Restart:
    """When an engine was started again (monotonic), and a plate that was seen only then."""

    at: float
    plate: str


class Victim:
    """A gate whose engine dies; every plate that was published is remembered."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.kills = 0
        self._plates: list[str] = []
        self._engine: EngineProcess | None = None

    def live(self, kill_point: str = "") -> None:
        """Start the engine with something to do; at `kill_point` it is killed."""
        if self._engine is not None:
            # The engine of the last round must not take what is for this one.
            assert self._engine.stop() == 0, self.said
        self._plates += self.gate.see(LOAD)
        self._start(kill_point)

    @property
    def said(self) -> str:
        """What the engine wrote, and what arrived."""
        arrived = sorted(delivered(self.gate.hook.requests.all()))
        return f"{self._engine.output if self._engine else ''}\n{arrived}"

    def await_death(self) -> None:
        """Return when the engine has killed itself."""
        assert self._engine is not None
        try:
            status = self._engine.wait(DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it lives on\n{self.said}") from None
        assert status == -signal.SIGKILL, f"ended with {status}\n{self.said}"
        self.kills += 1

    def die_somewhere(self, chance: random.Random) -> None:
        """Give the running engine something to do, and kill it in the midst of that."""
        assert self._engine is not None
        before = len(self.gate.hook.requests.all())
        self._plates += self.gate.see(LOAD)
        self.gate.hook.wait_for(before + chance.randrange(2 * LOAD), DRAIN_SECONDS)
        self._engine.kill()
        self.kills += 1

    def rise(self) -> Restart:
        """Start the engine again at once, with one more plate."""
        at = time.monotonic()
        self._start()
        plates = self.gate.see()
        self._plates += plates
        return Restart(at, plates[0])

    def seconds_to(self, restart: Restart) -> float:
        """From the restart until the plate seen then was at both channels."""
        requests = self.gate.hook.requests.wait_for(
            len(IN_FLIGHT), DRAIN_SECONDS, where=lambda found: plate_of(found) == restart.plate
        )
        return max(request.at for request in requests) - restart.at

    def retire(self) -> None:
        """End the engine in order, once nothing that was published is lost."""
        assert self._engine is not None
        deadline = time.monotonic() + DRAIN_SECONDS
        expected = {(path, plate) for path in IN_FLIGHT for plate in self._plates}
        while missing := expected - delivered(self.gate.hook.requests.all()):
            assert time.monotonic() < deadline, f"lost: {missing}\n{self._engine.output}"
            time.sleep(0.1)
        assert self._engine.stop() == 0

    def judge(self) -> None:
        """No alert made twice, and no more sent again than was in flight."""
        requests = self.gate.hook.requests.all()
        for path, in_flight in IN_FLIGHT.items():
            here = [request for request in requests if request.path == path]
            keys = Counter(request.headers["idempotency-key"] for request in here)
            assert len(keys) == len(self._plates), "an alert was made twice"
            repeats = sum(keys.values()) - len(keys)
            assert repeats <= self.kills * in_flight, f"{repeats} repeats at {path}"

    def _start(self, kill_point: str = "") -> None:
        self._engine = self.gate.site.start(ALERT_ENGINE_FAULT_POINT=kill_point)

    def close(self) -> None:
        """Leave no process behind."""
        if self._engine is not None:
            self._engine.kill()


def delivered(requests: list[Request]) -> set[tuple[str, str]]:
    """Path and plate of what arrived."""
    return {(request.path, plate_of(request)) for request in requests}


@contextlib.contextmanager
def open_victims(
    broker: Broker, folder: Path, count: int, **settings: str
) -> Iterator[list[Victim]]:
    """So many victims, each with topic, store and receiver of its own.

    `settings` are environment variables.
    """
    settings = {"BATCH_SIZE": BATCH_SIZE, **settings}
    with contextlib.ExitStack() as stack:
        victims = []
        for number in range(count):
            place = folder / str(number)
            place.mkdir()
            gate = stack.enter_context(open_gate(broker, place, RULES, **settings))
            victim = Victim(gate)
            stack.callback(victim.close)
            victims.append(victim)
        yield victims
