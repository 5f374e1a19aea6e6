"""The Kafka broker of the tests: one that is given, a real one of our own, or librdkafka's mock."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
)
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

from tests.support.http_receiver import LOOPBACK
from tests.support.kafka_jars import KafkaUnavailableError, fetch, libraries, missing_tool
from tests.support.processes import end, free_port, signal_group, spawn

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
TOPIC_SECONDS = 60.0
PARTITIONS = 4
# A short-lived JVM: no time for optimising, little memory.
JAVA_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}{proxied}{secured}
advertised.listeners=PLAINTEXT://{host}:{port}{advertised}{secured}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}{named}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions={partitions}
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=250
broker.session.timeout.ms=1500
"""
#: Nobody makes a topic by asking for it, and access can be denied: see `deny_writes`.
STRICT = """\
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""


class Broker(Protocol):
    """What tests need of a broker."""

    @property
    def bootstrap_servers(self) -> str:
        """Where it listens."""

    @property
    def is_real(self) -> bool:
        """Whether it is an Apache Kafka (or a given one), not the mock."""

    def create_topic(self, name: str, partitions: int = PARTITIONS) -> None:
        """Make a topic; returns when its partitions have leaders."""


def create_topic(bootstrap_servers: str, name: str, partitions: int) -> None:
    """Make a topic through the admin API; returns when all its partitions have a leader."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    try:
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(TOPIC_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    await_topic(admin, name, partitions)


def await_topic(admin: AdminClient, name: str, partitions: int) -> None:
    """Ask until the topic has as many partitions with a leader; AssertionError after a minute."""
    deadline = time.monotonic() + TOPIC_SECONDS
    while True:
        found = admin.list_topics(name, TOPIC_SECONDS).topics[name].partitions.values()
        if len(found) >= partitions and all(partition.leader >= 0 for partition in found):
            return
        assert time.monotonic() < deadline, f"{name} has {len(found)} of {partitions} partitions"
        time.sleep(0.05)


def await_answer(
    bootstrap_servers: str,
    is_running: Callable[[], bool] = lambda: True,
    log: Callable[[], str] = lambda: "",
) -> None:
    """Ask until a broker answers; KafkaUnavailableError with its log when it does not come up."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            admin.list_topics(timeout=1.0)
        except KafkaException as error:
            if not is_running() or time.monotonic() > deadline:
                raise KafkaUnavailableError(f"not ready: {log()[-1000:]}") from error
        else:
            return


def deny_writes(bootstrap_servers: str, topic: str) -> None:
    """Let nobody write to the topic of a `STRICT` broker, and all else be allowed."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    rules = [
        AclBinding(*_everyone(topic), AclOperation.ALL, AclPermissionType.ALLOW),
        AclBinding(*_everyone(topic), AclOperation.WRITE, AclPermissionType.DENY),
    ]
    for done in admin.create_acls(rules).values():
        done.result(TOPIC_SECONDS)


def permit_writes(bootstrap_servers: str, topic: str) -> None:
    """Take `deny_writes` back."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    rule = AclBindingFilter(*_everyone(topic), AclOperation.WRITE, AclPermissionType.DENY)
    for done in admin.delete_acls([rule]).values():
        done.result(TOPIC_SECONDS)


def _everyone(topic: str) -> tuple[ResourceType, str, ResourcePatternType, str, str]:
    return ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:*", "*"


class GivenKafka:
    """A broker that runs already, at an address."""

    is_real = True

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def create_topic(self, name: str, partitions: int = PARTITIONS) -> None:
        """As `Broker` says."""
        create_topic(self.bootstrap_servers, name, partitions)


class RealKafka:
    """An Apache Kafka of our own in KRaft mode, on loopback; a context manager.

    Its ports and data stay the same over `stop`, `kill` and `start`. Raises
    KafkaUnavailableError when it can't be fetched or does not come up.
    """

    is_real = True

    def __init__(
        self,
        properties: str = "",
        proxies: Mapping[int, int] | None = None,
        secured: Mapping[str, int] | None = None,
    ) -> None:
        """`properties` are lines for the end of its file: of a name, the last line counts.

        `proxies` has the port of each proxy before it, and for it a free port on which it listens
        to that proxy: clients that come so are sent to no other address. `secured` has the free
        ports of further listeners by their protocols, such as SASL_SSL; `properties` say the rest.
        """
        self._jars = fetch()
        self._folder = tempfile.TemporaryDirectory(prefix="kafka-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.bootstrap_servers = f"{LOOPBACK}:{self.port}"
        self._properties = Path(self._folder.name) / "server.properties"
        listeners = secured or {}
        self._log = Path(self._folder.name) / "server.log"
        self._properties.write_text(
            PROPERTIES.format(
                host=LOOPBACK,
                port=self.port,
                controller_port=free_port(),
                data=Path(self._folder.name) / "data",
                partitions=PARTITIONS,
                proxied=_each(proxies, "PROXIED{0}://{host}:{2}"),
                advertised=_each(proxies, "PROXIED{0}://{host}:{1}"),
                protocols=_each(proxies, "PROXIED{0}:PLAINTEXT"),
                secured="".join(f",{each}://{LOOPBACK}:{at}" for each, at in listeners.items()),
                named="".join(f",{each}:{each}" for each in listeners),
            )
            + properties
        )
        self._format()

    @property
    def log(self) -> str:
        """What the broker itself wrote."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> RealKafka:
        """Start, and wait until it answers."""
        if self._process is None:
            self.launch()
            await_answer(self.bootstrap_servers, self._is_running, lambda: self.log)
        return self

    def launch(self) -> None:
        """Start, without waiting until it answers."""
        with self._log.open("ab") as log:
            self._process = self._java("kafka.Kafka", str(self._properties), log=log)

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it in order (SIGTERM), and wait until it has ended."""
        if self._process is not None:
            end(self._process, STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def freeze(self) -> None:
        """Stop answering while connections stay open (SIGSTOP)."""
        assert self._process is not None
        signal_group(self._process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self._process is not None
        signal_group(self._process, signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start with the same data."""
        self.stop()
        self.start()

    def create_topic(self, name: str, partitions: int = PARTITIONS) -> None:
        """As `Broker` says."""
        create_topic(self.bootstrap_servers, name, partitions)

    def close(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        self._folder.cleanup()

    def __enter__(self) -> RealKafka:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _java(self, *arguments: str, log: object) -> subprocess.Popen[bytes]:
        command = ["java", *JAVA_OPTIONS, "-cp", f"{self._jars}/*", *arguments]
        return spawn(
            command,
            {"PATH": os.environ["PATH"]},
            Path(self._folder.name),
            log,  # type: ignore[arg-type]
            subprocess.STDOUT,
        )

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # An id that begins with a dash would be taken for an option.
        cluster = f"k{cluster[1:]}"
        arguments = ("format", "-t", cluster, "-c", str(self._properties))
        with self._log.open("ab") as log:
            process = self._java("kafka.tools.StorageTool", *arguments, log=log)
        if process.wait(READY_SECONDS) != 0:
            raise KafkaUnavailableError(f"its storage can't be made: {self.log[-1000:]}")


def _each(proxies: Mapping[int, int] | None, form: str) -> str:
    """The form of each proxy, filled in with its number, its port, and the port behind it."""
    return "".join(
        "," + form.format(number, *ports, host=LOOPBACK)
        for number, ports in enumerate((proxies or {}).items())
    )


def given_servers() -> str:
    """The brokers that the environment names, or an empty string."""
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")


def is_required() -> bool:
    """Whether a run without a real Kafka is a failure."""
    return os.environ.get("ALERT_ENGINE_REQUIRE_KAFKA", "") not in ("", "0")


def describe() -> str:
    """One line for the head of a test run: which broker it will use."""
    if servers := given_servers():
        return f"kafka: the given one at {servers}"
    if reason := missing_tool():
        return f"kafka: librdkafka's mock cluster, for want of a real one ({reason})"
    if libraries().is_dir():
        return "kafka: a real Apache Kafka, started by the tests"
    return "kafka: a real Apache Kafka, to be fetched (its mock, if that fails)"


def main(arguments: list[str]) -> int:
    """`python -m tests.support.kafka fetch`: have the jars before the tests ask for them."""
    if arguments != ["fetch"]:
        print("usage: python -m tests.support.kafka fetch", file=sys.stderr)
        return 2
    try:
        print(fetch())
    except KafkaUnavailableError as error:
        print(f"no real Kafka: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
