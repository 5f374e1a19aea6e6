"""The compose stack under test: Kafka, the registry, the engine and the demo's inbox."""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from engine.demo.street import EventPublisher
from tests.image.engine_image import TAG, DockerError, docker, inspect
from tests.support.engine_process import DIRECT
from tests.support.http_receiver import LOOPBACK
from tests.support.processes import free_port

PROJECT = "alert-engine-image-test"
ENGINE = "alpr-alert-engine"
TOPIC = "alpr.plates.detected"
GROUP = "alpr-alert-engine"
REGISTRY_SERVICE = "schema-registry"
DATABASE_SERVICE = "postgresql"
SECOND_ENGINE = "alert-engine-2"
STAND_IN = Path("tests/image/registry.compose.yml")
DATABASE_STAND_IN = Path("tests/image/postgresql.compose.yml")
STAND_IN_LABEL = "local.standin"
PASSWORD_FILE = "state-password"
WAIT_SECONDS = 120.0
ENGINE_PORTS = ("ALERT_ENGINE_PORT", "ALERT_ENGINE_2_PORT")
SERVICES = ("kafka", REGISTRY_SERVICE, "inbox", "alert-engine")


class Stack:
    """The unmodified docker-compose.yml in `folder`; a context manager that leaves nothing behind.

    Ports are free ones, the rules are the demo's, and where the registry's image can't be had our
    own stands in for it. With `replicas` two engines share a PostgreSQL.
    """

    def __init__(self, folder: Path, *, replicas: bool = False) -> None:
        self._folder = folder
        ports = ("KAFKA_PORT", "SCHEMA_REGISTRY_PORT", "INBOX_PORT", *ENGINE_PORTS)
        self._environment = {name: str(free_port()) for name in ports}
        self._environment |= {"ALERT_ENGINE_IMAGE": TAG, "RULES_DIR": "./deploy/demo"}
        self._profiles = ["demo"]
        self._services: tuple[str, ...] = SERVICES
        self.has_own_registry = not can_be_had(self._image_of(REGISTRY_SERVICE))
        self.has_own_database = False
        if replicas:
            self._share_a_database()

    def _share_a_database(self) -> None:
        password = self._folder / PASSWORD_FILE
        password.write_text(secrets.token_hex(16))
        password.chmod(0o444)
        asked = (self._folder / "deploy" / "replicas.env").read_text().splitlines()
        self._environment |= dict(line.split("=", 1) for line in asked if "=" in line)
        self._profiles.append("replicas")
        self._services = (*SERVICES, DATABASE_SERVICE, SECOND_ENGINE)
        self.has_own_database = is_stand_in(self._image_of(DATABASE_SERVICE))

    @property
    def rules(self) -> Path:
        """The folder that is mounted as the engine's rules."""
        return self._folder / self._environment["RULES_DIR"]

    def compose(self, *arguments: str, **environment: str) -> str:
        """The output of a docker compose command on this stack; `environment` for this one only."""
        files = ["-f", "docker-compose.yml"]
        if self.has_own_registry:
            files += ["-f", str(STAND_IN)]
        if self.has_own_database:
            files += ["-f", str(DATABASE_STAND_IN)]
        profiles = [word for name in self._profiles for word in ("--profile", name)]
        return docker(
            "compose", "-p", PROJECT, *files, *profiles, *arguments,
            folder=self._folder, environment={**self._environment, **environment},
        )  # fmt: skip

    def container(self, service: str) -> str:
        """The id of a service's container, running or not."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def _image_of(self, service: str) -> str:
        words = ("compose", "-f", "docker-compose.yml", "--profile", "*")
        found = docker(*words, "config", "--format", "json", folder=self._folder)
        return str(json.loads(found)["services"][service]["image"])

    @property
    def bootstrap_servers(self) -> str:
        """Kafka as the host sees it."""
        return f"localhost:{self._environment['KAFKA_PORT']}"

    @property
    def registry_url(self) -> str:
        """The registry as the host sees it."""
        return f"http://{LOOPBACK}:{self._environment['SCHEMA_REGISTRY_PORT']}"

    def get(self, port: str, path: str) -> tuple[int, str]:
        """Status and text of a published page; (0, "") while nobody answers."""
        try:
            with DIRECT.open(
                f"http://{LOOPBACK}:{self._environment[port]}{path}", timeout=5
            ) as got:
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def is_ready(self, port: str = "ALERT_ENGINE_PORT") -> bool:
        """Whether the engine's `/readyz` says 200."""
        return self.get(port, "/readyz")[0] == 200

    def inbox(self) -> list[dict[str, Any]]:
        """What the webhook sink and the SMTP catcher hold; nothing while they don't answer."""
        found = json.loads(self.get("INBOX_PORT", "/alerts.json")[1] or "[]")
        assert isinstance(found, list)
        return found

    def webhook_events(self) -> list[str]:
        """The ids of the events that webhooks brought, in order."""
        return [each["event_id"] for each in self.inbox() if each["channel"] == "webhook"]

    def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Publish from the host as cameras do, acknowledged."""
        schema = (self._folder / "schemas" / "plate_event.avsc").read_text()
        with EventPublisher(self.bootstrap_servers, self.registry_url, schema, TOPIC) as publisher:
            for event in events:
                publisher.publish(event)

    def committed(self) -> int:
        """How many records of the topic the engine's group has committed."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": GROUP})
        try:
            numbers = consumer.list_topics(TOPIC, 10.0).topics[TOPIC].partitions
            asked = [TopicPartition(TOPIC, number) for number in numbers]
            return sum(max(each.offset, 0) for each in consumer.committed(asked, 10.0))
        finally:
            consumer.close()

    def has_read_all(self) -> bool:
        """Whether everything published is committed."""
        return self.committed() == self._published()

    def _published(self) -> int:
        consumer = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": GROUP})
        try:
            numbers = consumer.list_topics(TOPIC, 10.0).topics[TOPIC].partitions
            ends = [
                consumer.get_watermark_offsets(TopicPartition(TOPIC, number), 10.0)
                for number in numbers
            ]
            return sum(end[1] for end in ends if end is not None)
        finally:
            consumer.close()

    def stored(self) -> int:
        """How many alerts are stored, told by a container of its own on the same volume."""
        script = (
            "import sqlite3;"
            "store = sqlite3.connect('/data/alerts.db');"
            "print(store.execute('select count(*) from alerts').fetchone()[0])"
        )
        volume = f"{PROJECT}_alert-engine-data:/data"
        options = ("--rm", "--volume", volume, "--entrypoint", "python")
        return int(docker("run", *options, TAG, "-c", script))

    def __enter__(self) -> Stack:
        self.compose("down", "--volumes", "--remove-orphans")
        try:
            self.compose("up", "--detach", "--wait", "--no-build", *self._services)
        except DockerError as error:
            logs = self.compose("logs", "--tail", "40")
            self.compose("down", "--volumes")
            raise DockerError(f"{error}\n{logs}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.compose("down", "--volumes", "--timeout", "5")


def wait_until(is_true: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> float:
    """Return the seconds it took; AssertionError, with the engine's log, when it takes longer."""
    started = time.monotonic()
    while not is_true():
        passed = time.monotonic() - started
        assert passed < seconds, f"not within {seconds} s: {what}\n{docker('logs', ENGINE)}"
        time.sleep(0.05)
    return time.monotonic() - started


def is_stand_in(image: str) -> bool:
    """Whether the image was made on this machine, with another entry point than the real one."""
    return can_be_had(image) and STAND_IN_LABEL in (inspect(image)["Config"]["Labels"] or {})


def can_be_had(image: str) -> bool:
    """Whether an image is here, or can be pulled."""
    try:
        inspect(image)
    except DockerError:
        try:
            docker("pull", "--quiet", image)
        except DockerError:
            return False
    return True
