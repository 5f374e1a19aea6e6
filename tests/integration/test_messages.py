"""Several alerts go as one message: what real receivers of every kind get, seen from outside."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.demo.servers import RegistryServer
from tests.conftest import SMTP_PASSWORD
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.services import SLACK, TWILIO, Services
from tests.support.sightings import sighting
from tests.support.site import Site
from tests.support.smtp_receiver import SmtpReceiver

pytestmark = pytest.mark.slow

MAIL = (
    "mailtos://alerts%40example.com:${SMTP_PASSWORD}@localhost:${SMTP_PORT}/"
    "?mode=starttls&from=alerts@example.com&to=guard@example.com"
)
PHONE = f"twilio://AC{'0123456789abcdef' * 2}:{'fedcba9876543210' * 2}@+15550199999/+15550100001"
ROOM = f"https://{SLACK}/services/T0AAAAAAA/B0BBBBBBB/cccccccccccccccccccccccc"
NAMES = ("Stolen Car", "Night Watch", "Unpaid Fee")
RULE = """\
  - id: {id}
    name: {name}
    priority: {priority}
    when: {when}
    notify: [{notify}]
    rate_limit: {{enabled: false}}
    message_template: "{name}: {{plate.normalized_text}}"
"""


def rules(*parts: str, channels: str) -> str:
    return f"channels:\n{channels}\nrules:\n{''.join(parts)}"


def every_rule(notify: str) -> list[str]:
    """Three rules that hold on every car."""
    return [
        RULE.format(id=f"r{number}", name=name, priority="medium", when='"true"', notify=notify)
        for number, name in enumerate(NAMES)
    ]


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as opened:
        yield opened


def site_of(
    text: str,
    folder: Path,
    broker: Broker,
    registry: RegistryServer,
    services: Services,
    mail: SmtpReceiver,
    hook: HttpReceiver,
    **settings: str,
) -> Site:
    environment = {
        **services.environment,
        "SMTP_PORT": str(mail.port),
        "SMTP_PASSWORD": SMTP_PASSWORD,
        "WEBHOOK_URL": f"{hook.url}/alerts",
        "RETRY_DELAY_BASE": "0.2",
        **settings,
    }
    return Site(folder, broker, registry.url, text, environment)


def messages_of(site: Site, channel: str) -> list[dict[str, Any]]:
    """Every delivery at this channel."""
    alerts = site.alerts("--limit", "5000")
    return [each for alert in alerts for each in alert["deliveries"] if each["channel"] == channel]


def test_three_rules_on_one_car_are_one_message_but_to_a_webhook(
    tmp_path: Path,
    broker: Broker,
    registry: RegistryServer,
    services: Services,
    smtp_receiver: SmtpReceiver,
    https_receiver: HttpReceiver,
) -> None:
    group = "group: {by: [plate.normalized_text], wait_seconds: 2}"
    channels = "\n".join(
        [
            f'  mail: {{url: "{MAIL}", {group}}}',
            f'  phone: {{url: "{PHONE}", {group}}}',
            f'  room: {{url: "{ROOM}", {group}}}',
            "  hook: ${WEBHOOK_URL}",
        ]
    )
    text = rules(*every_rule("mail, phone, room, hook"), channels=channels)
    site = site_of(text, tmp_path, broker, registry, services, smtp_receiver, https_receiver)
    engine = site.start()
    engine.wait_ready()
    site.publish([sighting("ABC123", datetime.now(UTC))])
    (mail,) = smtp_receiver.wait_for(1)
    (room,) = services.wait_for_service(SLACK, 1)
    (phone,) = services.wait_for_service(TWILIO, 1)
    assert len(https_receiver.wait_for(3)) == 3
    subject = str(mail.message["Subject"])
    body = phone.form()["Body"][0]
    for name in NAMES:
        assert name in subject
        assert name in room.body.decode()
        assert name in body
    assert len(body) <= 160
    await_that(lambda: all(each["state"] == "sent" for each in messages_of(site, "mail")))
    (found,) = {
        (each["message_id"], each["kind"], each["message_alerts"])
        for each in messages_of(site, "mail")
    }
    assert found[1:] == ("group", 3)
    assert {each["kind"] for each in messages_of(site, "hook")} == {"single"}

    # A redelivery of one alert sends that one.
    alert_id = site.alerts()[0]["alert_id"]
    assert site.command("alerts", "redeliver", alert_id, "--channel", "mail")[0] == 0
    (_, again) = smtp_receiver.wait_for(2)
    told = [name for name in NAMES if name in str(again.message["Subject"])]
    assert len(told) == 1
    assert len(smtp_receiver.mails.all()) == 2
    assert engine.stop() == 0


@pytest.mark.parametrize("is_shared", [False, True], ids=["sqlite", "postgresql"])
@pytest.mark.parametrize("moment", ["send", "sent", "mark"])
def test_a_kill_loses_nobody_and_repeats_only_what_was_in_flight(
    tmp_path: Path,
    broker: Broker,
    registry: RegistryServer,
    services: Services,
    smtp_receiver: SmtpReceiver,
    https_receiver: HttpReceiver,
    moment: str,
    is_shared: bool,
    request: pytest.FixtureRequest,
) -> None:
    settings = {}
    if is_shared:
        settings = {"STATE_URL": request.getfixturevalue("database"), "CLAIM_SECONDS": "5s"}
    group = "group: {by: [plate.normalized_text], wait_seconds: 1}"
    channels = f'  mail: {{url: "{MAIL}", {group}}}\n  hook: {{url: "${{WEBHOOK_URL}}", {group}}}'
    text = rules(*every_rule("mail, hook"), channels=channels)
    site = site_of(
        text, tmp_path, broker, registry, services, smtp_receiver, https_receiver, **settings
    )
    killed = site.start(ALERT_ENGINE_FAULT_POINT=f"{moment}:1")
    site.publish([sighting("ABC123", datetime.now(UTC))])
    assert killed.wait() == -signal.SIGKILL
    engine = site.start()
    engine.wait_ready()
    await_that(
        lambda: (
            {each["state"] for each in messages_of(site, "mail")} == {"sent"}
            and {each["state"] for each in messages_of(site, "hook")} == {"sent"}
        )
    )
    assert engine.stop() == 0
    # Each message is whole, and those that answered before the kill was noted came once more.
    mails, posts = smtp_receiver.mails.all(), https_receiver.requests.all()
    assert 1 <= len(mails) <= 2
    assert len({str(each.message["Message-ID"]) for each in mails}) == 1
    assert 1 <= len(posts) <= 2
    assert len({each.headers["idempotency-key"] for each in posts}) == 1
    for each in posts:
        assert sorted(one["alert"]["rule_name"] for one in each.json()["alerts"]) == sorted(NAMES)
    for mail in mails:
        assert all(name in str(mail.message["Subject"]) for name in NAMES)


def test_a_storm_is_a_handful_of_mails(
    tmp_path: Path,
    broker: Broker,
    registry: RegistryServer,
    services: Services,
    smtp_receiver: SmtpReceiver,
    https_receiver: HttpReceiver,
) -> None:
    urgent = RULE.format(
        id="u", name="Urgent", priority="high", when='camera_id == "u"', notify="mail"
    )
    others = RULE.format(id="o", name="Any", priority="low", when='camera_id == "o"', notify="mail")
    text = rules(urgent, others, channels=f'  mail: {{url: "{MAIL}", rate: 30/m}}')
    site = site_of(text, tmp_path, broker, registry, services, smtp_receiver, https_receiver)
    engine = site.start()
    engine.wait_ready()
    begun = time.monotonic()
    for second in range(10):
        now = datetime.now(UTC)
        site.publish(
            [
                sighting(f"P{second}{number:03}", now, camera="u" if number % 25 == 0 else "o")
                for number in range(100)
            ]
        )
        time.sleep(max(0.0, begun + second + 1 - time.monotonic()))
    await_that(lambda: len(messages_of(site, "mail")) == 1_000)
    await_that(lambda: {each["state"] for each in messages_of(site, "mail")} == {"sent"})
    seconds = time.monotonic() - begun
    assert engine.stop() == 0
    mails = smtp_receiver.mails.all()
    assert len(mails) <= seconds / 2 + 2
    parts = [mail.message.get_body(("html",)) for mail in mails]
    texts = [part.get_content() for part in parts if part is not None]
    for second in range(10):
        for number in range(0, 100, 25):
            assert sum(f"Urgent: P{second}{number:03} " in each for each in texts) == 1
    # Each alert names the message that carried it, and the messages hold all of them.
    carried = Counter(each["message_id"] for each in messages_of(site, "mail"))
    alone = carried.pop(0, 0)
    assert len(carried) + alone == len(mails)
    sizes = {each["message_id"]: each["message_alerts"] for each in messages_of(site, "mail")}
    assert all(sizes[message_id] == count for message_id, count in carried.items())


@pytest.mark.parametrize("is_shared", [False, True], ids=["sqlite", "postgresql"])
def test_who_stands_in_gets_what_waited_once_and_says_why(
    tmp_path: Path,
    broker: Broker,
    registry: RegistryServer,
    services: Services,
    smtp_receiver: SmtpReceiver,
    https_receiver: HttpReceiver,
    is_shared: bool,
    request: pytest.FixtureRequest,
) -> None:
    settings = {"STATE_URL": request.getfixturevalue("database")} if is_shared else {}
    channels = (
        f'  mail: {{url: "{MAIL}", digest_above: off, fallback: hook, fallback_after_seconds: 2}}\n'
        "  hook: ${WEBHOOK_URL}"
    )
    rule = RULE.format(id="r", name="Any", priority="medium", when='"true"', notify="mail")
    text = rules(rule, channels=channels)
    site = site_of(
        text, tmp_path, broker, registry, services, smtp_receiver, https_receiver, **settings
    )
    smtp_receiver.down()
    engine = site.start()
    engine.wait_ready()
    site.publish([sighting(f"PLATE{number}", datetime.now(UTC)) for number in range(5)])
    posts = https_receiver.wait_for(5)
    why = "for guard@example.com of channel mail, which is held: connection"
    assert {each.json()["alert"]["note"] for each in posts} == {why}
    smtp_receiver.up()
    assert site.command("alerts", "redeliver", "--channel", "mail")[0] == 0
    mails = smtp_receiver.wait_for(5)
    await_that(lambda: {each["state"] for each in messages_of(site, "mail")} == {"sent"})
    assert engine.stop() == 0
    # Nobody has an alert twice on one target.
    assert sorted(str(mail.message["Subject"])[-6:] for mail in mails) == [
        f"PLATE{number}" for number in range(5)
    ]
    assert len(smtp_receiver.mails.all()) == 5
    plates = [each.json()["alert"]["message"] for each in https_receiver.requests.all()]
    assert sorted(plates) == [f"Any: PLATE{number}" for number in range(5)]
