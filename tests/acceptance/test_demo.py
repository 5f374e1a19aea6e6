"""`alert-engine demo`: one command, nothing else, and alerts are seen."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command import alert_engine_process
from tests.support.engine_process import COMMAND, EngineProcess
from tests.support.http_receiver import HttpReceiver
from tests.support.missing_package import without
from tests.support.processes import end, signal_group, spawn

DEMO_SECONDS = 120.0
ARRIVAL = re.compile(r"^ *(webhook|email|slack|sms) +(\d+ ms)? +\S", re.MULTILINE)
ROW = re.compile(r"^│ ([^│]+?) +│ +([^│]+?) │$", re.MULTILINE)
BLUE = "\x1b[1;34m"
# Its channel is never spoken to, so its secret need not be there.
ONE_RULE = """\
channels:
  pager: json://127.0.0.1:PORT/${A_TOKEN_THAT_IS_NOT_SET}
  owner: http://127.0.0.1:PORT/alerts
rules:
  - id: night
    name: Seen
    when: camera_id == "cam-gate-north" || plate.confidence > 0.97
    notify: [pager, owner]
    rate_limit: {enabled: false}
    message_template: "seen {plate.normalized_text}"
    tests:
      - {name: seen, event: {plate: {normalized_text: NIGHT01, confidence: 0.98}}, expect: match}
"""


class Terminal:
    """A command whose output is a terminal; read until its end."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        master, slave = pty.openpty()
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        self.process = spawn([str(COMMAND), *arguments], environment, folder, slave, slave)
        os.close(slave)
        self.text = ""
        self._has_alert = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(master,), daemon=True)
        self._reader.start()

    def await_alert(self) -> None:
        """Return when an alert was shown."""
        assert self._has_alert.wait(DEMO_SECONDS), self.text

    def interrupt(self) -> int:
        """Ctrl-C, and the exit status."""
        signal_group(self.process, signal.SIGINT)
        status = self.process.wait(DEMO_SECONDS)
        self._reader.join(DEMO_SECONDS)
        return status

    def _read(self, master: int) -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(master, 65_536):
                self.text += chunk.decode(errors="replace")
                if "email" in self.text:
                    self._has_alert.set()
        os.close(master)


@dataclass(frozen=True, slots=True)
class Demos:
    """Two demos, which run side by side."""

    own_rules: EngineProcess
    endless: Terminal
    # What the rules of their own name as their address.
    address: HttpReceiver


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    """Both started at once, for they mostly wait."""
    repository = Path(__file__).parents[2]
    rules = tmp_path_factory.mktemp("demo") / "mine.yaml"
    address = HttpReceiver()
    rules.write_text(ONE_RULE.replace("PORT", str(address.port)))
    mine = ("demo", "--seconds", "2", "--rate", "25", "--rules", str(rules))
    with address, EngineProcess({}, repository, mine) as own_rules:
        endless = Terminal(repository, "demo", "--seconds", "0")
        try:
            yield Demos(own_rules, endless, address)
        finally:
            end(endless.process)


def summary(text: str) -> dict[str, str]:
    """The closing table."""
    return dict(ROW.findall(text))


@pytest.mark.slow
def test_five_seconds_of_plates_make_alerts(repository: Path) -> None:
    with EngineProcess({}, repository, ("demo", "--seconds", "5")) as demo:
        assert demo.wait(DEMO_SECONDS) == 0, demo.output
    assert demo.stderr == ""
    shown = [channel for channel, _ in ARRIVAL.findall(demo.stdout)]
    assert {"webhook", "email"} <= set(shown)
    table = summary(demo.stdout)
    # 5 seconds at 20 a second, by default.
    assert table["events"] == "100"
    assert int(table["matches"]) >= 10
    assert int(table["alerts"]) == int(table["matches"]) - int(table["suppressed by cooldown"])
    assert int(table["delivered"]) == len(shown)
    assert (table["not delivered"], table["tries that failed"]) == ("0", "0")
    assert table["latency, median"].endswith(" ms")


@pytest.mark.slow
def test_a_file_of_ones_own_is_shown(demos: Demos) -> None:
    assert demos.own_rules.wait(DEMO_SECONDS) == 0, demos.own_rules.output
    out = demos.own_rules.stdout
    assert out.startswith("1 rule of ")
    table = summary(out)
    assert table["events"] == "50"
    shown = {channel for channel, _ in re.findall(r"^ *(\w+) +(\d+ ms)", out, re.MULTILINE)}
    assert {"pager", "owner"} <= shown
    assert "seen NIGHT01" in out


def test_the_addresses_of_the_rules_are_never_spoken_to(demos: Demos) -> None:
    assert demos.own_rules.wait(DEMO_SECONDS) == 0, demos.own_rules.output
    told = "alerts go to receivers inside the demo, never to the rules' own addresses"
    assert told in demos.own_rules.stdout.splitlines()
    assert summary(demos.own_rules.stdout)["delivered"] != "0"
    assert demos.address.requests.all() == []


@pytest.mark.slow
def test_ctrl_c_ends_it_with_its_summary(demos: Demos) -> None:
    demos.endless.await_alert()
    assert demos.endless.interrupt() == 0, demos.endless.text
    assert "Traceback" not in demos.endless.text
    assert BLUE in demos.endless.text, "no colour on a terminal"
    assert "not delivered" in demos.endless.text


def test_what_can_not_be_used_is_told(repository: Path) -> None:
    with EngineProcess({}, repository, ("demo", "--rate", "0")) as process:
        assert process.wait(DEMO_SECONDS) == 2
        assert "argument --rate: '0' is no rate, write a number above 0" in process.stderr


def test_without_aiosmtpd_only_the_demo_is_refused(tmp_path: Path) -> None:
    missing = without(tmp_path, "aiosmtpd")
    report = alert_engine_process(tmp_path, "demo", variables=missing)
    assert (report.status, report.stdout) == (2, "")
    assert report.stderr == (
        "alert-engine: demo needs aiosmtpd, which is not installed:"
        " pip install 'alpr-alert-engine[demo]'\n"
    )
    (tmp_path / "mine.yaml").write_text("rules: [{id: gate, when: 'true', notify: []}]\n")
    report = alert_engine_process(tmp_path, "check", "mine.yaml", variables=missing)
    assert (report.status, report.stderr) == (0, "")


@pytest.mark.parametrize(
    ("module", "report"),
    [
        (
            "engine.demo.inbox",
            "the inbox needs aiosmtpd, which is not installed:"
            " pip install 'alpr-alert-engine[demo]'\n",
        ),
        # It needs no mail server, and goes on to its settings.
        (
            "engine.demo.street",
            "KAFKA_TOPIC: names no topic, write one or several separated by commas\n",
        ),
    ],
)
def test_without_aiosmtpd_a_part_of_the_demo_says_so_or_does_without(
    module: str, report: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEMO_SECONDS,
        env={**os.environ, **without(tmp_path, "aiosmtpd"), "KAFKA_TOPIC": ","},
    )
    assert (done.returncode, done.stderr) == (2, f"{module}: {report}")
