"""`alert-engine bench` measures what rules cost on this machine."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from engine.cli.main import build_parser
from tests.support.command import Finished, alert_engine, alert_engine_process
from tests.support.engine_process import COMMAND
from tests.support.missing_package import without
from tests.support.processes import end, signal_group, spawn
from tests.support.site import SCHEMAS

QUICK = ("--seconds", "0.05")
PROMISED = ["rules", "us_per_event", "matches_per_event", "compile_seconds", "rss_mb"]
SECONDS = 60.0
RULES = """\
channels:
  pager: json://localhost/${A_TOKEN_THAT_IS_NOT_SET}
rules:
  - id: sure
    when: plate.confidence > 0.8
    notify: [pager]
  - id: white
    when: vehicle.color.startsWith("w")
    notify: [pager]
"""


def bench(folder: Path, *arguments: str | Path) -> Finished:
    return alert_engine_process(folder, "bench", *QUICK, *arguments)


def measured(report: Finished) -> list[dict[str, Any]]:
    assert (report.status, report.stderr) == (0, "")
    document = json.loads(report.stdout)
    assert list(document) == ["machine", "results"]
    results = document["results"]
    assert isinstance(results, list)
    return results


@pytest.mark.slow
def test_json_tells_the_machine_and_each_size_in_order(tmp_path: Path) -> None:
    report = bench(tmp_path, "--sizes", "100,10,10", "--format", "json")
    results = measured(report)
    assert [each["rules"] for each in results] == [10, 100]
    for each in results:
        assert [key for key in each if key in PROMISED] == PROMISED
        assert all(isinstance(each[key], int | float) for key in PROMISED)
        assert each["us_per_event"] > 0
        assert each["events_per_second"] == pytest.approx(1e6 / each["us_per_event"])
        assert each["set"] == "mixed"
    machine = json.loads(report.stdout)["machine"]
    assert machine["cores"] >= 1
    assert {"cpu", "architecture", "model", "power_mode", "python", "engine"} <= {*machine}


@pytest.mark.slow
def test_a_table_is_for_people_and_pictures_are_drawn(tmp_path: Path) -> None:
    report = bench(tmp_path, "--sizes", "10,site", "--plot", "curve.png")
    assert (report.status, report.stderr) == (0, "")
    assert re.search(r"^\d+ cores? of .+ \(\w+\)", report.stdout)
    assert re.search(r"^ *10 +mixed +\d", report.stdout, re.MULTILINE)
    assert re.search(r"^ *50 +on one list of 100,000 plates +\d", report.stdout, re.MULTILINE)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.slow
def test_ones_own_rules_are_measured_without_their_secrets(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULES)
    report = bench(tmp_path, "--rules", "mine.yaml", "--format", "json", "--plot", "mine.svg")
    (own,) = measured(report)
    assert (own["set"], own["rules"]) == ("own", 2)
    assert 0 < own["errors_per_event"] < own["matches_per_event"] < 1
    drawn = ElementTree.parse(tmp_path / "mine.svg").getroot()
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "your 2 rules" in (tmp_path / "mine.svg").read_text()


@pytest.mark.slow
def test_ones_own_rules_stand_beside_made_up_ones(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULES)
    report = bench(tmp_path, "--rules", "mine.yaml", "--sizes", "10")
    assert (report.status, report.stderr) == (0, "")
    assert re.search(r"^ *2 +yours +\d", report.stdout, re.MULTILINE)
    assert re.search(r"^ *10 +mixed +\d", report.stdout, re.MULTILINE)
    assert re.search(r"2 yours: 0\.\d+ evaluations an event failed", report.stdout)


def test_rules_with_faults_are_not_measured(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULES.replace("confidence", "confidense"))
    report = alert_engine(tmp_path, "bench", "--rules", "mine.yaml")
    assert (report.status, report.stdout) == (2, "")
    assert "mine.yaml:5:17: " in report.stderr
    assert "did you mean" in report.stderr
    assert "^" in report.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--sizes", "10,ten"), "'ten' is neither a number of rules from 1 to 1,000,000 nor"),
        (("--sizes", "0"), "'0' is neither"),
        (("--sizes", "1000001"), "'1000001' is neither"),
        (("--sizes", "9" * 5000), "is neither"),
        (("--sizes", ","), "no size, write some such as 10,100,1000"),
        (("--seconds", "0"), "'0' is not a number of seconds above 0"),
        (("--seconds", "nan"), "'nan' is not a number of seconds above 0"),
        (("--plot", "curve.pdf"), "'curve.pdf' can't be drawn, let its name end in .png or .svg"),
        (("--plot", "none/curve.png"), "'none/curve.png' can't be written, name a file in a fold"),
        (("--plot", "folder.svg"), "'folder.svg' can't be written, name a file in a folder"),
    ],
)
def test_what_can_not_be_used_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    problem: str,
) -> None:
    (tmp_path / "folder.svg").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["bench", *arguments])
    said = capsys.readouterr()
    assert said.out == ""
    assert problem in said.err


def test_a_plot_without_matplotlib_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    missing = without(tmp_path, "matplotlib")
    options = ("bench", "--sizes", "10", "--seconds", "3600", "--plot", "curve.png")
    report = alert_engine_process(tmp_path, *options, variables=missing)
    assert (report.status, report.stdout) == (2, "")
    assert report.stderr == (
        "alert-engine: --plot needs matplotlib, which is not installed:"
        " pip install 'alpr-alert-engine[plot]'\n"
    )
    assert not (tmp_path / "curve.png").exists()


@pytest.mark.slow
def test_only_a_plot_needs_matplotlib(tmp_path: Path) -> None:
    options = ("bench", *QUICK, "--sizes", "10")
    report = alert_engine_process(tmp_path, *options, variables=without(tmp_path, "matplotlib"))
    assert (report.status, report.stderr) == (0, "")


def test_rules_that_are_not_there_are_told(tmp_path: Path) -> None:
    report = alert_engine(tmp_path, "bench", "--rules", "none.yaml", "--plot", "curve.png")
    assert (report.status, report.stdout) == (2, "")
    assert report.stderr.startswith("none.yaml:1:1: ")
    assert not (tmp_path / "curve.png").exists()


def test_a_schema_without_the_fields_of_made_up_rules_is_told(tmp_path: Path) -> None:
    schema = json.loads((SCHEMAS / "plate_event.avsc").read_text())
    schema["fields"] = [each for each in schema["fields"] if each["name"] != "camera_id"]
    (tmp_path / "plate_event.avsc").write_text(json.dumps(schema))
    report = alert_engine(
        tmp_path, "bench", "--sizes", "10", variables={"SCHEMAS_PATH": str(tmp_path)}
    )
    assert (report.status, report.stdout) == (2, "")
    assert "has no camera_id, which the made-up rules look at" in report.stderr


class Terminal:
    """A command whose standard error is a terminal; its standard output goes to a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        master, slave = pty.openpty()
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "SCHEMAS_PATH": str(SCHEMAS),
        }
        self.written = folder / "written"
        with self.written.open("wb") as file:
            command = [str(COMMAND), "bench", *arguments]
            self.process = spawn(command, environment, folder, file, slave)
        os.close(slave)
        self.shown = ""
        self._has_come = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(master,), daemon=True)
        self._reader.start()

    def await_text(self, text: str) -> None:
        """Return when the terminal has shown this."""
        with self._has_come:
            assert self._has_come.wait_for(lambda: text in self.shown, SECONDS), self.shown

    def wait(self) -> int:
        """The exit status, when all has been read."""
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return status

    def _read(self, master: int) -> None:
        with suppress(OSError):
            while chunk := os.read(master, 65_536):
                with self._has_come:
                    self.shown += chunk.decode(errors="replace")
                    self._has_come.notify_all()
        os.close(master)


@pytest.mark.slow
def test_ctrl_c_ends_it_with_what_was_measured(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--sizes", "10,30000", "--seconds", "0.05", "--format", "json")
    try:
        # The bar stands on the terminal, the results don't.
        terminal.await_text("30,000 rules: compiling")
        signal_group(terminal.process, signal.SIGINT)
        assert terminal.wait() == 130
    finally:
        end(terminal.process)
    assert "interrupted: 1 of 2 sets were measured" in terminal.shown
    assert "Traceback" not in terminal.shown
    (result,) = json.loads(terminal.written.read_text())["results"]
    assert result["rules"] == 10


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_a_kill_leaves_no_process(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--sizes", "30000")
    try:
        terminal.await_text("30,000 rules: compiling")
        task = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children")
        (child,) = (int(word) for word in task.read_text().split())
        watched = os.pidfd_open(child)
        os.kill(terminal.process.pid, signal.SIGKILL)
        assert select.select([watched], [], [], SECONDS)[0], "it goes on"
        os.close(watched)
    finally:
        end(terminal.process)
