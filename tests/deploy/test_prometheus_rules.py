from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.prometheus import promtool

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RUNBOOK = ROOT / "docs" / "operations.md"


def run_promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [promtool(), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )


def alert_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alert-engine.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_the_configuration_and_its_rules_are_valid() -> None:
    done = run_promtool("check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alert_rules_pass_their_tests() -> None:
    done = run_promtool("test", "rules", "alert-engine.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    tests = (FOLDER / "alert-engine.test.yml").read_text()
    assert [rule["alert"] for rule in alert_rules() if rule["alert"] not in tests] == []


def test_every_alert_has_its_runbook_section() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", RUNBOOK.read_text(), re.MULTILINE)
    }
    for rule in alert_rules():
        page, anchor = rule["annotations"]["runbook"].split("#")
        assert page == "docs/operations.md"
        assert anchor == rule["alert"].lower()
        assert anchor in anchors, f"{RUNBOOK.name} has no section {rule['alert']}"


def test_prometheus_scrapes_the_engine_every_ten_seconds() -> None:
    [job] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert job["job_name"] == "alert-engine"
    assert job["scrape_interval"] == "10s"
    assert job["static_configs"] == [{"targets": ["alert-engine:8003"]}]
    assert job["dns_sd_configs"] == [{"names": ["alert-engine-2"], "type": "A", "port": 8003}]
