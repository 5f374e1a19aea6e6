"""Every command says when a variable nearly has the name of a setting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import alert_engine, alert_engine_process

RULES = """
rules:
  - id: gate
    when: camera_id == "gate"
    notify: []
    tests:
      - {name: fires, event: {camera_id: gate}, expect: match}
      - {name: another, event: {camera_id: door}, expect: no_match}
"""
MISSPELT = {"KAFKA_TOPICS": "a", "MAX_RETRY": "5", "KAFKA_HEAP_OPTS": "-Xmx1g", "LOG_DIR": "/x"}
WARNINGS = (
    "alert-engine: warning: KAFKA_TOPICS is no setting, did you mean KAFKA_TOPIC?\n"
    "alert-engine: warning: MAX_RETRY is no setting, did you mean MAX_RETRIES?\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one rule."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "gate.yaml").write_text(RULES)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("test",),
        ("alerts", "redeliver"),
    ],
)
def test_a_command_warns_on_standard_error(folder: Path, arguments: tuple[str, ...]) -> None:
    if arguments[0] == "alerts":
        variables = {"STATE_URL": f"sqlite:///{folder}/none.db"}
        clean = alert_engine(folder, *arguments, variables=variables)
        told = alert_engine(folder, *arguments, variables={**variables, **MISSPELT})
    else:
        clean = alert_engine(folder, *arguments)
        told = alert_engine(folder, *arguments, variables=MISSPELT)
    assert (told.status, told.stdout) == (clean.status, clean.stdout)
    assert told.stderr == WARNINGS + clean.stderr


def test_what_other_programs_read_stays_clean(folder: Path) -> None:
    told = alert_engine(folder, "check", "--format", "json", variables=MISSPELT)
    assert json.loads(told.stdout)["faults"] == []


def test_a_command_that_refuses_its_settings_warns_first(folder: Path) -> None:
    told = alert_engine(folder, "check", variables={**MISSPELT, "METRICS_PORT": "x"})
    assert told.status == 2
    assert told.stderr.startswith(f"{WARNINGS}alert-engine: METRICS_PORT: ")


def test_run_warns_in_its_log(folder: Path) -> None:
    variables = {**MISSPELT, "RULES_PATH": "nowhere", "LOG_FORMAT": "json"}
    told = alert_engine_process(folder, "run", variables=variables)
    lines = [json.loads(line) for line in told.output.splitlines() if line.startswith("{")]
    found = [line for line in lines if line["event"] == "setting.misspelt"]
    assert [(line["level"], line["name"], line["meant"]) for line in found] == [
        ("warning", "KAFKA_TOPICS", "KAFKA_TOPIC"),
        ("warning", "MAX_RETRY", "MAX_RETRIES"),
    ]
    assert WARNINGS not in told.stderr
