"""Servers, receivers, engines, and the connections between them: what the faults strike."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from engine.demo.servers import RegistryServer
from tests.chaos.judge import IN_FLIGHT, Arrival
from tests.chaos.oracle import MAIL, WEBHOOK
from tests.chaos.street import Street
from tests.support.answers import RESET, Answer, Request
from tests.support.arrivals import Arrivals
from tests.support.certificates import Certificates
from tests.support.engine_process import EngineProcess
from tests.support.http_receiver import LOOPBACK, HttpReceiver
from tests.support.kafka import RealKafka
from tests.support.postgresql import PostgreSQL
from tests.support.processes import free_port
from tests.support.site import Site
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.smtp_receiver import Mail, SmtpReceiver, Stage
from tests.support.tcp_proxy import TcpProxy

BOTH: Final = (WEBHOOK, MAIL)
RULES: Final = Path(__file__).with_name("rules.yaml")
USERNAME, PASSWORD = "alerts@example.com", "chaos"
#: The group does without a member that was silent for so long; a broker takes no less than 1 s.
SESSION_SECONDS: Final = 2.0
#: A replica takes over what another one has claimed after so long.
CLAIM_SECONDS: Final = 6
SETTINGS: Final = {
    "KAFKA_CONFIG_SESSION_TIMEOUT_MS": str(int(SESSION_SECONDS * 1000)),
    "BATCH_SIZE": "8",
    # Outages are short, and tries go on for longer than each: no target is held, nothing is dead.
    "MAX_RETRIES": "9",
    "RETRY_DELAY_BASE": "0.1",
    "CLAIM_SECONDS": str(CLAIM_SECONDS),
    "DELIVERY_WORKERS": "8",
}
DISK_BYTES: Final = 192 << 20
#: Long enough on its way that a fault meets some in flight; a mail goes to and fro a dozen times.
WEBHOOK_LATENCY_SECONDS: Final = 0.02
MAIL_LATENCY_SECONDS: Final = 0.003
DEATH_SECONDS: Final = 30.0
STEP_SECONDS: Final = 0.05
_TEXT: Final = re.compile(r"chaos (\w+) ([0-9a-f-]{36})")
_ALERT: Final = re.compile(r"Alert: (\S+)")


class Store(StrEnum):
    """Where the engines keep their alerts."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class Replica:
    """One engine, started again whenever it has ended, and its own ways to Kafka and PostgreSQL.

    `url` is that of the store, as it is without the way `to_database`: None with SQLite.
    """

    def __init__(
        self, site: Site, to_kafka: TcpProxy, url: str, to_database: TcpProxy | None, log: Path
    ) -> None:
        self.to_kafka = to_kafka
        self.to_database = to_database
        self._site = site
        self._environment = {
            "KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{to_kafka.port}",
            "STATE_URL": _through(to_database, url) if to_database else url,
        }
        self._log = log
        self._engine: EngineProcess | None = None

    def start(self, kill_point: str = "") -> None:
        """Start the engine; at `kill_point` it kills itself."""
        assert self._engine is None
        self._engine = self._site.start(**self._environment, ALERT_ENGINE_FAULT_POINT=kill_point)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self._engine is not None:
            self._engine.signal(number)

    def stop(self) -> int:
        """End it in order; its exit status."""
        assert self._engine is not None
        status = self._engine.stop()
        self._forget()
        return status

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._engine is not None:
            self._engine.kill()
            self._forget()

    def await_end(self, timeout_seconds: float = 0.0) -> int | None:
        """Its exit status if it ends by itself within the time."""
        assert self._engine is not None
        try:
            status = self._engine.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        self._forget()
        return status

    def _forget(self) -> None:
        assert self._engine is not None
        with self._log.open("a") as log:
            log.write(self._engine.output + "\n")
        self._engine = None


class Receivers:
    """A webhook over HTTPS and a mail server, which turn alerts away and are slow now and then."""

    def __init__(
        self, certificates: Certificates, chance: random.Random, allow: Callable[[str, int], None]
    ) -> None:
        self.http = HttpReceiver(certificates.local_server(), self._answer)
        self.mail = SmtpReceiver(certificates.local_server(), USERNAME, PASSWORD)
        self._chance = chance
        self._allow = allow
        self._webhooks: Arrivals[Arrival] = Arrivals()

    def arrivals(self) -> list[Arrival]:
        """All that was taken, whether or not the engine came to know."""
        return self._webhooks.all() + [_from_mail(mail) for mail in self.mail.mails.all()]

    def webhooks(self) -> list[Arrival]:
        """What the webhook took."""
        return self._webhooks.all()

    def _answer(self, request: Request) -> Answer:
        chance = self._chance.random()
        if chance < 0.02:
            return Answer(503)
        if chance < 0.03:
            return Answer(429, {"Retry-After": "1"})
        self._webhooks.add(_from_request(request))
        if chance < 0.04:
            self._allow(WEBHOOK, 1)
            return RESET
        if chance < 0.05:
            self.mail.reply(self._chance.choice((Stage.MAIL, Stage.RCPT)), "451 4.3.0 later")
        return Answer(delay_seconds=self._chance.choice((0.0, 0.0, 0.05, 0.3)))


@dataclass
class Scene:
    """Everything that there is; what waits here keeps the engines running meanwhile."""

    kafka: RealKafka
    database: PostgreSQL | None
    disk: SmallDisk | None
    receivers: Receivers
    to_webhook: TcpProxy
    to_mail: TcpProxy
    replicas: list[Replica]
    street: Street
    #: How many repeats are excused, by recipient.
    allowed: Counter[str]
    #: How often an engine ended that was not told to, or not in order.
    ended: Counter[str] = field(default_factory=Counter)

    def tend(self) -> None:
        """Start again what has ended by itself, as Docker and Kubernetes do."""
        for replica in self.replicas:
            status = replica.await_end()
            if status is not None:
                self.ended[f"by itself with {status}"] += 1
                self.excuse(*BOTH)
                replica.start()

    def excuse(self, *recipients: str) -> None:
        """Allow repeats of what is in flight to each of these."""
        self.allowed.update({who: recipients.count(who) * IN_FLIGHT[who] for who in recipients})

    def stop(self, replica: Replica) -> None:
        """End an engine in order: nothing is in flight then, unless it was in a hurry."""
        status = replica.stop()
        if status != 0:
            self.ended[f"at a stop with {status}"] += 1
            self.excuse(*BOTH)

    def sleep(self, seconds: float) -> None:
        """Wait, and tend the engines meanwhile."""
        self.await_that(lambda: False, seconds)

    def await_that(self, is_so: Callable[[], bool], timeout_seconds: float) -> bool:
        """Tend the engines until it is so; whether it was, within the time."""
        deadline = time.monotonic() + timeout_seconds
        while not is_so():
            if time.monotonic() > deadline:
                return False
            self.tend()
            time.sleep(STEP_SECONDS)
        return True

    def await_fresh(self, timeout_seconds: float) -> float | None:
        """The seconds until the webhook takes an alert on an event from now on; None if never."""
        began = time.monotonic()
        seen = len(self.receivers.webhooks())

        def has_come() -> bool:
            nonlocal seen
            new = self.receivers.webhooks()[seen:]
            seen += len(new)
            return any(self.street.published[each.event_id] > began for each in new)

        return time.monotonic() - began if self.await_that(has_come, timeout_seconds) else None


@contextlib.contextmanager
def open_scene(folder: Path, store: Store, replicas: int, chance: random.Random) -> Iterator[Scene]:
    """A scene in which the engines run and readings flow; engines' logs lie in the folder."""
    assert replicas == 1 or store is Store.POSTGRESQL, "replicas need PostgreSQL"
    allowed: Counter[str] = Counter()
    certificates = Certificates(folder)
    receivers = Receivers(
        certificates,
        random.Random(chance.random()),
        lambda who, count: allowed.update({who: count}),
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(receivers.http)
        stack.enter_context(receivers.mail)
        to_webhook = stack.enter_context(TcpProxy(receivers.http.port, WEBHOOK_LATENCY_SECONDS))
        to_mail = stack.enter_context(TcpProxy(receivers.mail.port, MAIL_LATENCY_SECONDS))
        ports = [free_port() for _ in range(replicas)]
        to_kafka = [stack.enter_context(TcpProxy(port)) for port in ports]
        ways = {proxy.port: port for proxy, port in zip(to_kafka, ports, strict=True)}
        kafka = stack.enter_context(RealKafka(proxies=ways))
        registry = stack.enter_context(RegistryServer())
        database, disk = None, None
        if store is Store.POSTGRESQL:
            database = stack.enter_context(PostgreSQL())
            url = database.create_database()
        else:
            disk = stack.enter_context(small_disk(folder / "disk", DISK_BYTES))
            url = f"sqlite:///{folder / 'disk' / 'alerts.db'}"
        user = USERNAME.replace("@", "%40")
        environment = {
            **SETTINGS,
            **certificates.environment,
            "WEBHOOK_URL": f"https://localhost:{to_webhook.port}/alerts",
            "MAIL_URL": f"mailtos://{user}:{PASSWORD}@localhost:{to_mail.port}/"
            f"?from={USERNAME}&to=guard@example.com",
        }
        site = Site(folder, kafka, registry.url, RULES.read_text(), environment)
        engines = []
        for number, proxy in enumerate(to_kafka, 1):
            to_database = stack.enter_context(TcpProxy(database.port)) if database else None
            log = folder / f"engine-{number}.log"
            engines.append(Replica(site, proxy, url, to_database, log))
            stack.callback(engines[-1].kill)
            engines[-1].start()
        street = stack.enter_context(Street(site, random.Random(chance.random())))
        yield Scene(kafka, database, disk, receivers, to_webhook, to_mail, engines, street, allowed)


def _through(proxy: TcpProxy, url: str) -> str:
    """The URL with the proxy's port in place of its own."""
    return re.sub(r":\d+/", f":{proxy.port}/", url)


def _from_request(request: Request) -> Arrival:
    alert = request.json()["alert"]
    found = _TEXT.search(alert["message"])
    assert found is not None, alert
    return Arrival(WEBHOOK, alert["id"], found[1], found[2])


def _from_mail(mail: Mail) -> Arrival:
    part = mail.message.get_body(("plain",))
    assert part is not None
    text = part.get_content()
    found, alert = _TEXT.search(text), _ALERT.search(text)
    assert found is not None, text
    assert alert is not None, text
    return Arrival(MAIL, alert[1], found[1], found[2])
