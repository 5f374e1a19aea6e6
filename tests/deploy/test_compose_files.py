from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from engine.settings import VARIABLES
from engine.store.location import parse_state_url

ROOT = Path(__file__).parents[2]
STACK = ROOT / "docker-compose.yml"
EXISTING = ROOT / "deploy" / "compose.existing-stack.yml"
REPLICAS = ROOT / "deploy" / "replicas.env"
EXAMPLE = ROOT / ".env.example"
SITE = ROOT / "deploy" / "site.env"
# What a container has no use for, or what only tests set.
NOT_FOR_CONTAINERS = {"ALERT_ENGINE_FAULT_POINT"}


def services(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text())["services"]
    assert isinstance(found, dict)
    return found


def rules_of(service: dict[str, Any]) -> dict[str, Any]:
    [mount] = [each for each in service["volumes"] if isinstance(each, dict)]
    assert isinstance(mount, dict)
    return mount


def dockerfile_variable(name: str) -> str:
    found = re.search(rf"\b{name}=(\S+)", (ROOT / "Dockerfile").read_text())
    assert found is not None
    return found[1]


def example_variables(path: Path = EXAMPLE) -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", path.read_text(), re.MULTILINE))


def variables_in(text: str) -> set[str]:
    return set(re.findall(r"\$\{([A-Z0-9_]+)", text))


def test_every_service_has_health_limits_and_bounded_logs() -> None:
    for name, service in services(STACK).items():
        is_ours = "alpr-alert-engine" in service["image"] and name != "cameras"
        has_health = "healthcheck" in service or is_ours
        assert has_health, name
        assert service["restart"] == "unless-stopped", name
        assert service["mem_limit"], name
        assert service["cpus"] <= 2, f"{name}: a small host would refuse it"
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
        assert service["networks"] == ["alpr-network"], name


def test_our_containers_have_no_privileges() -> None:
    ours = [each for each in services(STACK).values() if "alpr-alert-engine" in each["image"]]
    assert len(ours) == 4
    for service in [*ours, *services(EXISTING).values()]:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["user"] == "10001:10001"
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_services_wait_for_healthy_ones() -> None:
    for service in services(STACK).values():
        for name, needed in service.get("depends_on", {}).items():
            assert needed["condition"] == "service_healthy"
            assert name == "postgresql" or needed.keys() == {"condition"}


def test_replicas_are_the_same_engine_on_one_store() -> None:
    one, other = (services(STACK)[name] for name in ("alert-engine", "alert-engine-2"))
    differing = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    assert differing == {*("build", "container_name", "depends_on", "ports", "profiles", "volumes")}
    assert rules_of(one) == rules_of(other)
    assert one["depends_on"]["postgresql"]["required"] is False
    asked = dict(line.split("=", 1) for line in REPLICAS.read_text().splitlines() if "=" in line)
    assert parse_state_url(asked["STATE_URL"]).shown == "postgresql://alerts@postgresql/alerts"
    assert asked["COMPOSE_PROFILES"] == "replicas"


def test_postgresql_has_its_password_from_a_file_and_its_data_in_a_volume() -> None:
    database = services(STACK)["postgresql"]
    assert database["profiles"] == ["replicas"]
    assert database["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/state-password"
    assert database["volumes"] == ["postgresql-data:/var/lib/postgresql/data"]
    assert database["secrets"] == ["state-password"]
    assert "ports" not in database


def test_the_names_of_an_existing_stack_work() -> None:
    for path in (STACK, EXISTING):
        engine = services(path)["alert-engine"]
        assert engine["container_name"] == "alpr-alert-engine"
        assert engine["environment"]["KAFKA_BOOTSTRAP_SERVERS"].endswith("kafka:29092}")
        assert engine["environment"]["SCHEMA_REGISTRY_URL"].endswith("http://schema-registry:8081}")
        assert engine["ports"][0].endswith(":-8003}:8003")
        assert (
            rules_of(engine)["target"] == dockerfile_variable("RULES_CONFIG_PATH") == "/app/config"
        )
        assert "alpr-network" in yaml.safe_load(path.read_text())["networks"]


def test_a_rules_folder_is_only_read_and_never_made() -> None:
    # In the short form `RULES_DIR=rules` is the name of a volume, and a folder that is missing is
    # made, empty, by root.
    mounted = [each for path in (STACK, EXISTING) for each in services(path).values()
               if "alpr-alert-engine" in each["image"] and "volumes" in each]  # fmt: skip
    assert len(mounted) == 4
    for service in mounted:
        mount = rules_of(service)
        assert mount["type"] == "bind"
        assert mount["read_only"] is True
        assert mount["bind"] == {"create_host_path": False}


def test_the_folders_of_rules_are_where_each_file_is_used() -> None:
    for service in services(STACK).values():
        if "alpr-alert-engine" in service["image"] and "volumes" in service:
            assert rules_of(service)["source"] == "${RULES_DIR:-./rules}"
    assert rules_of(services(EXISTING)["alert-engine"])["source"] == "${RULES_DIR:-./config}"


def test_the_file_for_an_existing_stack_differs_only_where_it_must() -> None:
    whole, alone = services(STACK)["alert-engine"], dict(services(EXISTING)["alert-engine"])
    differing = {name for name in whole.keys() | alone.keys() if whole.get(name) != alone.get(name)}
    assert differing == {"build", "depends_on", "environment", "secrets", "volumes"}
    own = {name for name in whole["environment"] if whole["environment"][name]
           != alone["environment"].get(name)}  # fmt: skip
    assert own == {"KAFKA_TOPIC", "STATE_PASSWORD_FILE"}
    in_one = whole["environment"].keys() ^ alone["environment"].keys()
    assert in_one == {"STATE_PASSWORD", "STATE_PASSWORD_FILE"}


def test_the_example_names_every_variable() -> None:
    named = example_variables()
    text = STACK.read_text() + EXISTING.read_text()
    assert sorted(set(re.findall(r"\$\{([A-Z0-9_]+)", text)) - named) == []
    assert sorted(VARIABLES.keys() - named - NOT_FOR_CONTAINERS) == []
    rules = "".join(path.read_text() for path in (ROOT / "rules").rglob("*.yaml"))
    assert sorted(set(re.findall(r"\$\{([A-Z0-9_]+)", rules)) - named - {"VARIABLES"}) == []


def test_the_environment_of_a_new_site_names_what_its_files_name() -> None:
    samples = "".join(path.read_text() for path in (ROOT / "rules").rglob("*.yaml"))
    wanted = variables_in(EXISTING.read_text() + samples) - {"VARIABLES"}
    assert example_variables(SITE) == wanted


def test_the_examples_hold_no_value() -> None:
    for path in (EXAMPLE, SITE):
        values = re.findall(r"^[A-Z][A-Z0-9_]*=(.+)$", path.read_text(), re.MULTILINE)
        assert values == []


def test_the_example_has_the_images_own_variables_as_they_are() -> None:
    names = ("RULES_CONFIG_PATH", "SCHEMAS_PATH", "STATE_URL", "LAST_GOOD_PATH", "LOG_FORMAT")
    for name in names:
        assert f"#{name}={dockerfile_variable(name)}\n" in EXAMPLE.read_text()
