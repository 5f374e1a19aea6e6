from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from engine.rules import load_rules
from engine.schema import EventSchema
from tests.deploy.test_compose_files import dockerfile_variable

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
    # As the kubelet mounts it, with a second key of the site's own.
    data |= {"night.yaml": "rules: [{id: night, when: 'true', notify: []}]", "stolen.csv": "plate"}
    (tmp_path / "..2025_11_29").mkdir()
    (tmp_path / "..data").symlink_to("..2025_11_29")
    for name, text in data.items():
        (tmp_path / "..2025_11_29" / name).write_text(text)
        (tmp_path / name).symlink_to(f"..data/{name}")
    schema = EventSchema.load(ROOT / "schemas" / "plate_event.avsc")
    rule_set = load_rules([tmp_path], schema, {})
    assert rule_set.warnings == ()
    assert [rule.rule_id for rule in rule_set.rules] == ["watchlist_plate", "night"]
    [mount] = [each for each in container()["volumeMounts"] if each["name"] == "rules"]
    assert mount["mountPath"] == dockerfile_variable("RULES_CONFIG_PATH")
    assert mount["readOnly"] is True


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
