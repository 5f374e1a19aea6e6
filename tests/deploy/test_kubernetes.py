from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.rules import load_rules
from engine.schema import EventSchema
from engine.store.location import PostgresLocation, parse_state_url
from tests.deploy.test_compose_files import dockerfile_variable

ROOT = Path(__file__).parents[2]
ALONE = ROOT / "deploy" / "kubernetes.yaml"
REPLICAS = ROOT / "deploy" / "kubernetes-replicas.yaml"
both = pytest.mark.parametrize("manifest", [ALONE, REPLICAS], ids=lambda path: path.stem)


def objects(manifest: Path) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(manifest.read_text())}


def container(manifest: Path) -> dict[str, Any]:
    [found] = objects(manifest)["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@both
def test_the_rules_of_its_config_map_load(manifest: Path, tmp_path: Path) -> None:
    data = objects(manifest)["ConfigMap"]["data"]
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
    [mount] = [each for each in container(manifest)["volumeMounts"] if each["name"] == "rules"]
    assert mount["mountPath"] == dockerfile_variable("RULES_CONFIG_PATH")
    assert mount["readOnly"] is True


def test_two_pods_never_share_the_store() -> None:
    spec = objects(ALONE)["Deployment"]["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_replicas_share_a_database_and_are_never_all_gone() -> None:
    found = objects(REPLICAS)
    spec = found["Deployment"]["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    assert (
        found["PodDisruptionBudget"]["spec"]["selector"]
        == spec["selector"]
        == {"matchLabels": spec["template"]["metadata"]["labels"]}
    )
    assert "PersistentVolumeClaim" not in found
    secret = found["Secret"]["stringData"]
    assert isinstance(parse_state_url(secret["STATE_URL"]), PostgresLocation)
    [given] = container(REPLICAS)["envFrom"]
    assert given["secretRef"]["name"] == found["Secret"]["metadata"]["name"]


def test_the_two_manifests_differ_only_where_they_must() -> None:
    alone, replicas = container(ALONE), container(REPLICAS)
    assert alone == replicas
    differing = {
        kind
        for kind in objects(ALONE).keys() | objects(REPLICAS).keys()
        if objects(ALONE).get(kind) != objects(REPLICAS).get(kind)
    }
    assert differing == {"Deployment", "PersistentVolumeClaim", "PodDisruptionBudget", "Secret"}


@both
def test_it_is_restarted_when_dead_and_only_reported_when_waiting(manifest: Path) -> None:
    assert container(manifest)["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container(manifest)["readinessProbe"]["httpGet"]["path"] == "/readyz"


@both
def test_it_has_no_privileges(manifest: Path) -> None:
    pod = objects(manifest)["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == 10001
    security = container(manifest)["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_one_pod_has_its_state_on_a_claim() -> None:
    pod = objects(ALONE)["Deployment"]["spec"]["template"]["spec"]
    [state] = [each for each in pod["volumes"] if each["name"] == "state"]
    assert state["persistentVolumeClaim"]["claimName"] == "alert-engine-state"
