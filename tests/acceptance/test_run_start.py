"""What `alert-engine run` refuses at its start, and what it warns of there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import alert_engine_process
from tests.support.engine_process import EngineProcess
from tests.support.site import SCHEMAS

RULES = """
channels:
  blind: {url: "https://receiver.example/alerts", verify: false}
  mixed: ["https://receiver.example/alerts", "jsons://receiver.example/alerts?verify=no"]
  strict: "https://receiver.example/alerts"
notifications:
  webhook: {enabled: false, url: "https://receiver.example/alerts", verify: false}
rules:
  - id: every
    when: "true"
    notify: [blind, mixed, strict]
"""


@pytest.mark.parametrize(
    ("brokers", "problem", "remedy"),
    [
        (
            "SASL_SSL://kafka.example:9093",
            "SASL_SSL:// needs its options",
            "write host:port, and set KAFKA_CONFIG_SECURITY_PROTOCOL=SASL_SSL, "
            "KAFKA_CONFIG_SASL_MECHANISM, KAFKA_CONFIG_SASL_USERNAME and "
            "KAFKA_CONFIG_SASL_PASSWORD",
        ),
        # All forms are tested where they are read; a process of its own for each costs a second.
        pytest.param(
            "SASL_SSL://kafka.example",
            "'SASL_SSL://kafka.example' is not host:port",
            "write kafka.example:9092, or the port that your brokers listen on",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "kafka://kafka.example",
            "'kafka://kafka.example' is no address of Kafka's",
            "write host:port without kafka://",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "kafka://kafka.example:9092",
            "'kafka://kafka.example:9092' is no address of Kafka's",
            "write host:port without kafka://",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_brokers_that_no_client_can_reach_are_refused(
    tmp_path: Path, brokers: str, problem: str, remedy: str
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    variables = {
        "KAFKA_BOOTSTRAP_SERVERS": brokers,
        "RULES_PATH": "rules.yaml",
        "STATE_URL": f"sqlite:///{tmp_path}/alerts.db",
        "LOG_FORMAT": "json",
    }
    told = alert_engine_process(tmp_path, "run", variables=variables)
    assert told.status == 2
    assert f"KAFKA_BOOTSTRAP_SERVERS: {problem}, {remedy}" in told.stderr
    assert "engine.started" not in told.output
    assert "Traceback" not in told.output


def test_a_channel_whose_certificates_nobody_looks_at_is_named(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    variables = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "RULES_PATH": str(rules),
        "SCHEMAS_PATH": str(SCHEMAS),
        "STATE_URL": f"sqlite:///{tmp_path}/alerts.db",
        "LOG_FORMAT": "json",
    }
    with EngineProcess(variables, tmp_path) as engine:
        engine.wait_for_line('"engine.started"')
        assert engine.stop() == 0
        lines = [json.loads(each.text) for each in engine.lines.all() if each.text[:1] == "{"]
    found = [line for line in lines if line["event"] == "channel.unverified"]
    assert [(line["level"], line["channel"]) for line in found] == [
        ("warning", "blind"),
        ("warning", "mixed"),
    ]
    for line in found:
        assert "the certificate is not verified" in line["what"]
        assert "ca_file" in line["remedy"]
        assert line["place"].startswith(str(rules))
    general = [line["what"] for line in lines if line["event"] == "rules.warning"]
    # It is said once, and not of what is switched off.
    assert [what for what in general if "certificate" in what] == []
