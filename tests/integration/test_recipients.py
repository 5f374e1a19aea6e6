"""Alerts wait for recipients of every kind while their lists change: who gets what, and how often.

All receivers are away, and each target is held with what it owes. Then lists are put in another
order, shortened, corrected and renamed, and blocks are switched off and on, while the engine runs
or while it is down. Then the receivers come back, and what they got is the judge.
"""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from engine.demo.servers import RegistryServer
from engine.store import OpenMode, open_store
from tests.support.answers import Answer, Request
from tests.support.certificates import API_NAMES, SERVICE_NAMES, Certificates
from tests.support.engine_process import EngineProcess
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.services import Services, answer_like_services
from tests.support.sightings import sighting
from tests.support.site import Site
from tests.support.smtp_receiver import Mail, SmtpReceiver

USERNAME, PASSWORD = "alerts@example.com", "s3cret"
HEX = "3ccdd113474722377935511fc85d3dd4"
#: Nobody has this host.
NOWHERE: Final = "localhost.invalid"
#: Each recipient has a number in its address, which nothing else has, so that it is known by what
#: arrived.
NUMBER = re.compile(r"7700000\d{5}")
PLATE = re.compile(r"PLATE\d\d")
BEFORE, AFTER = ("PLATE01", "PLATE02"), ("PLATE03",)

Address = Callable[[str, int, int], str]


def mail(number: str, smtp_port: int, port: int, host: str = "localhost") -> str:
    login = f"{quote(USERNAME, safe='')}:{PASSWORD}"
    return f"mailtos://{login}@{host}:{smtp_port}/?mode=starttls&from={USERNAME}&to=r{number}@example.org"


#: The URL of a recipient by its number and the ports of mail and of all else.
KINDS: Final[Mapping[str, Address]] = {
    "slack": lambda n, _, __: f"https://hooks.slack.com/services/T00000000/B00000000/{n}{'x' * 12}",
    "discord": lambda n, _, __: f"discord://{n}/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "pagerduty": lambda n, _, __: f"pagerduty://{n}{'k' * 20}@{'c' * 20}",
    "telegram": lambda n, _, __: f"tgram://123456789:abcdefg_hijklmnop/{n}",
    "mattermost": lambda n, _, port: f"mmosts://localhost:{port}/{HEX[:12]}{n}",
    "ntfy": lambda n, _, port: f"ntfys://localhost:{port}/t{n}",
    "webhook": lambda n, _, port: f"https://localhost:{port}/hooks/{n}",
    "mail": mail,
}
#: Kinds with a server of one's own, whose name may be mistyped.
OWN_SERVERS: Final = ("mattermost", "ntfy", "webhook")


@dataclass
class Plan:
    """The channels before and after the change, and which alerts each recipient is to get."""

    smtp_port: int
    port: int
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    due: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=partial(count, 1))

    def add(self, kind: str) -> None:
        """A channel for each way in which a list of this kind changes."""
        both = (*BEFORE, *AFTER)
        (_, url_a), (_, url_b) = self.recipient(kind, both), self.recipient(kind, both)
        self.before[f"{kind}_order"], self.after[f"{kind}_order"] = [url_a, url_b], [url_b, url_a]
        (_, url_a), (_, url_b) = self.recipient(kind, ()), self.recipient(kind, both)
        self.before[f"{kind}_less"], self.after[f"{kind}_less"] = [url_a, url_b], [url_b]
        self.removed.add(f"{kind}_less")
        (_, url_a), (_, url_b) = self.recipient(kind, both), self.recipient(kind, ())
        (_, url_c) = self.recipient(kind, both)
        self.before[f"{kind}_other"], self.after[f"{kind}_other"] = [url_a, url_b], [url_c, url_a]
        (_, url_a), (_, url_b) = self.recipient(kind, both), self.recipient(kind, both)
        self.before[f"{kind}_name"], self.after[f"{kind}_new_name"] = [url_a, url_b], [url_a, url_b]
        (a, url_a), (_, url_b) = self.recipient(kind, ()), self.recipient(kind, both)
        self.wrong.add(a)
        self.before[f"{kind}_typo"], self.after[f"{kind}_typo"] = url_a, url_b
        if kind in OWN_SERVERS:
            (_, url_a) = self.recipient(kind, both)
            self.before[f"{kind}_host"] = url_a.replace("localhost", NOWHERE)
            self.after[f"{kind}_host"] = url_a

    def recipient(self, kind: str, plates: Sequence[str]) -> tuple[str, str]:
        """The number and the URL of a new recipient, who is to get these plates."""
        number = f"7700000{next(self._numbers):05}"
        self.due[number] = tuple(plates)
        return number, KINDS[kind](number, self.smtp_port, self.port)

    def add_mail_host(self) -> None:
        """A mail server's name that is mistyped."""
        _, url = self.recipient("mail", (*BEFORE, *AFTER))
        self.before["mail_host"] = url.replace("@localhost:", f"@{NOWHERE}:")
        self.after["mail_host"] = url

    def blocks(self, *, is_on: bool) -> dict[str, Any]:
        """The `notifications:` blocks, with two recipients of mail, and one of each other."""
        numbers = [f"770000099{number:03}" for number in range(4)]
        for number in numbers:
            self.due[number] = BEFORE
        one, two, three, four = numbers
        blocks: dict[str, Any] = {
            "email": {
                "smtp_host": "localhost",
                "smtp_port": self.smtp_port,
                "username": USERNAME,
                "password": PASSWORD,
                "recipients": [f"r{one}@example.org", f"r{two}@example.org"],
            },
            "slack": {"webhook_url": KINDS["slack"](three, 0, 0)},
            "webhook": {"url": KINDS["webhook"](four, 0, self.port)},
        }
        return {name: {"enabled": is_on, **block} for name, block in blocks.items()}


def rules(channels: Mapping[str, Any], blocks: Mapping[str, Any]) -> str:
    """One rule that tells everybody of every plate."""
    rule = {
        "id": "every",
        "name": "Every plate",
        "when": "true",
        "notify": [*channels, *blocks],
        "rate_limit": {"enabled": False},
        "message_template": "{plate.normalized_text}",
    }
    return json.dumps({"channels": channels, "notifications": blocks, "rules": [rule]})


class World:
    """The receivers, which may be away, and one engine's site."""

    def __init__(self, services: Services, smtp: SmtpReceiver, plan: Plan) -> None:
        self.services = services
        self.smtp = smtp
        self.plan = plan
        self.go_away()

    def go_away(self) -> None:
        """Nobody can be reached."""
        self.services.script.clear(lambda request: Answer(503))
        self.smtp.down()

    def come_back(self) -> None:
        """All take what they get, but for the wrong ones, whom nobody knows."""
        self.services.requests.clear()
        self.services.script.clear(self._answer)
        for number in self.plan.wrong:
            self.smtp.reply_to(f"r{number}@example.org", "550 5.1.1 nobody")
        self.smtp.up()

    def _answer(self, request: Request) -> Answer:
        if self.plan.wrong & {*numbers_of(request)}:
            return Answer(404)
        if request.host in (*SERVICE_NAMES, *API_NAMES):
            return answer_like_services(request)
        return Answer()

    def got(self) -> Counter[tuple[str, str]]:
        """How often each recipient has got each plate."""
        found = Counter[tuple[str, str]]()
        for request in self.services.requests.all():
            (number,) = set(numbers_of(request))
            found[number, PLATE.findall(request.body.decode())[0]] += 1
        for taken in self.smtp.mails.all():
            (address,) = taken.recipients
            found[NUMBER.findall(address)[0], plate_of(taken)] += 1
        return found

    def due(self) -> Counter[tuple[str, str]]:
        """How often each is to get each."""
        return Counter(
            (number, plate) for number, plates in self.plan.due.items() for plate in plates
        )


def numbers_of(request: Request) -> list[str]:
    return NUMBER.findall(f"{request.path} {request.body.decode()}")


def plate_of(mail: Mail) -> str:
    return str(PLATE.findall(str(mail.message["Subject"]))[0])


@pytest.fixture
def world(services: Services, certificates: Certificates) -> Iterator[World]:
    with SmtpReceiver(certificates.local_server(), USERNAME, PASSWORD) as smtp:
        plan = Plan(smtp.port, services.port)
        for kind in KINDS:
            plan.add(kind)
        plan.add_mail_host()
        yield World(services, smtp, plan)


@pytest.fixture
def site(world: World, broker: Broker, tmp_path: Path) -> Iterator[Site]:
    text = rules(world.plan.before, world.plan.blocks(is_on=True))
    environment = {**world.services.environment, "MAX_RETRIES": "0"}
    with RegistryServer() as registry:
        yield Site(tmp_path, broker, registry.url, text, environment)


def see(site: Site, plates: Sequence[str]) -> None:
    site.publish([sighting(plate, datetime.now(UTC)) for plate in plates])


def waiting(site: Site) -> int:
    with open_store(site.environment["STATE_URL"], OpenMode.TOOL) as store:
        return sum(each.count for each in store.deliveries.backlogs())


def await_all_held(site: Site, target_count: int) -> None:
    """Return when each target is held."""

    def are_held() -> bool:
        with open_store(site.environment["STATE_URL"], OpenMode.TOOL) as store:
            return len(store.deliveries.held()) >= target_count

    await_that(are_held, step_seconds=0.1)


def change(site: Site, engine: EngineProcess, text: str, number: int) -> None:
    """Save the rules while the engine runs, and wait until they are in force."""
    site.rules.write_text(text)
    engine.wait_for_line('"event": "rules.reloaded"', number)


def judge(world: World, site: Site, engine: EngineProcess) -> None:
    """Each recipient has what it is to have, once, and what is dead was removed."""
    await_that(lambda: waiting(site) == 0, lambda: described(world, site), step_seconds=0.2)
    assert world.got() == world.due(), described(world, site)
    dead = [
        (alert["message"], delivery["channel"], delivery["reason"])
        for alert in site.alerts()
        for delivery in alert["deliveries"]
        if delivery["state"] == "dead"
    ]
    removed = world.plan.removed
    assert sorted(dead) == sorted(
        (plate, channel, "target_removed") for plate in BEFORE for channel in removed
    )
    lines = [json.loads(line.text) for line in engine.lines.all() if "_removed" in line.text]
    assert {(line["event"], line["channel"], line["count"]) for line in lines} == {
        ("delivery.target_removed", channel, len(BEFORE)) for channel in removed
    }


def described(world: World, site: Site) -> str:
    """Who has too much, who too little, and what waits."""
    got, due = world.got(), world.due()
    waits = [
        (alert["message"], delivery)
        for alert in site.alerts()
        for delivery in alert["deliveries"]
        if delivery["state"] != "sent"
    ]
    return f"too much {got - due}, too little {due - got}, {waits[:10]}"


@pytest.mark.slow
def test_lists_change_under_a_running_engine(world: World, site: Site) -> None:
    plan = world.plan
    off, on = plan.blocks(is_on=False), plan.blocks(is_on=True)
    see(site, BEFORE)
    with site.start() as engine:
        engine.wait_ready()
        site.await_consumed()
        await_all_held(site, waiting(site) // len(BEFORE))
        change(site, engine, rules(plan.after, off), 1)
        see(site, AFTER)
        site.await_consumed()
        change(site, engine, rules(plan.after, on), 2)
        world.come_back()
        engine.signal(signal.SIGHUP)
        judge(world, site, engine)


@pytest.mark.slow
def test_lists_change_while_the_engine_is_down(world: World, site: Site) -> None:
    plan = world.plan
    see(site, BEFORE)
    with site.start() as engine:
        engine.wait_ready()
        site.await_consumed()
        await_all_held(site, waiting(site) // len(BEFORE))
        engine.stop()
    site.rules.write_text(rules(plan.after, plan.blocks(is_on=False)))
    see(site, AFTER)
    with site.start() as engine:
        engine.wait_ready()
        site.await_consumed()
        await_that(lambda: "target_removed" in engine.output)
        engine.kill()
    output = engine.lines.all()
    site.rules.write_text(rules(plan.after, plan.blocks(is_on=True)))
    world.come_back()
    with site.start() as engine:
        for line in output:
            engine.lines.add(line)
        judge(world, site, engine)
