from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from engine.rules import load_rules
from engine.schema import EventSchema

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "deploy" / "kubernetes.yaml"


def objects() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(MANIFEST.read_text())}


def container() -> dict[str, Any]:
    [found] = objects()["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_the_rules_of_its_config_map_load(tmp_path: Path) -> None:
    data = objects()["ConfigMap"]["data"]
    rules = tmp_path / "alert_rules.yaml"
    rules.write_text(data["alert_rules.yaml"])
    schema = EventSchema.load(ROOT / "schemas" / "plate_event.avsc")
    assert load_rules([rules], schema, {}).warnings == ()
    [mount] = [each for each in container()["volumeMounts"] if each["name"] == "rules"]
    assert mount["mountPath"] == "/app/config", "where RULES_CONFIG_PATH of the image points"


def test_two_pods_never_share_the_store() -> None:
    spec = objects()["Deployment"]["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_it_is_restarted_when_dead_and_only_reported_when_waiting() -> None:
    assert container()["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container()["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_it_has_no_privileges_and_state_on_a_claim() -> None:
    pod = objects()["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == 10001
    security = container()["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    [state] = [each for each in pod["volumes"] if each["name"] == "state"]
    assert state["persistentVolumeClaim"]["claimName"] == "alert-engine-state"
