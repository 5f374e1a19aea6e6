"""Services that answer late, or ask for time, and a mail server that is slow to confirm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.demo.servers import RegistryServer
from tests.support.answers import Answer, Request
from tests.support.certificates import Certificates
from tests.support.gate import open_gate
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.reload_scene import replace, rules
from tests.support.services import TWILIO, Services, answer_like_services
from tests.support.site import Site
from tests.support.smtp_receiver import SmtpReceiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: After how long the gateway confirms a text to each of these numbers.
ANSWER_SECONDS = {"+15550002005": 5.0, "+15550002025": 25.0, "+15550002035": 35.0}
#: After how long each mail server confirms a mail.
CONFIRM_SECONDS = (18.0, 240.0)
USERNAME, PASSWORD = "alerts@example.com", "s3cret"
RULES = """\
channels:
  sms: twilio://AC{zeros}:{ones}@+15550001111/{numbers}
  mail: [{mails}]
rules:
  - id: every
    name: Every Plate
    when: "true"
    notify: [sms, mail]
    rate_limit: {{enabled: false}}
    message_template: "{{plate.normalized_text}}"
"""


@pytest.fixture
def mail_servers(certificates: Certificates) -> Iterator[list[SmtpReceiver]]:
    with ExitStack() as stack:
        tls = certificates.local_server()
        yield [stack.enter_context(SmtpReceiver(tls, USERNAME, PASSWORD)) for _ in CONFIRM_SECONDS]


@pytest.fixture
def site(
    mail_servers: list[SmtpReceiver], services: Services, broker: Broker, tmp_path: Path
) -> Iterator[Site]:
    mails = ", ".join(
        f"'mailtos://alerts%40example.com:{PASSWORD}@localhost:{server.port}/"
        f"?mode=starttls&from={USERNAME}&to=guard{number}@example.org'"
        for number, server in enumerate(mail_servers)
    )
    numbers = "/".join(ANSWER_SECONDS)
    text = RULES.format(zeros="0" * 32, ones="1" * 32, numbers=numbers, mails=mails)
    with RegistryServer() as registry:
        yield Site(tmp_path, broker, registry.url, text, dict(services.environment))


def number_of(request: Request) -> str:
    return request.form()["To"][0]


def answer_late(request: Request) -> Answer:
    """What the gateway answers, but late."""
    answer = answer_like_services(request)
    seconds = ANSWER_SECONDS[number_of(request)]
    return Answer(answer.status, answer.headers, answer.body, delay_seconds=seconds)


def test_a_slow_answer_is_one_message_or_two_that_are_told(
    site: Site, services: Services, mail_servers: list[SmtpReceiver]
) -> None:
    services.script.clear(answer_late)
    timers = []
    for server, seconds in zip(mail_servers, CONFIRM_SECONDS, strict=True):
        server.hang()
        timers.append(threading.Timer(seconds, server.release))
    see_one(site)
    with site.start() as engine:
        engine.wait_ready()
        for server, timer in zip(mail_servers, timers, strict=True):
            server.attempts.wait_for(1)
            timer.start()

        def states() -> dict[str, str]:
            (alert,) = site.alerts()
            return {each["target_id"]: each["state"] for each in alert["deliveries"]}

        await_that(
            lambda: "waiting" not in states().values(),
            lambda: (states(), engine.output),
            patience_seconds=400,
            step_seconds=1.0,
        )
        assert sorted(states().values()) == ["dead", *["sent"] * 4]
        texts: dict[str, list[float]] = {number: [] for number in ANSWER_SECONDS}
        for request in services.to(TWILIO):
            texts[number_of(request)].append(request.at)
        assert [len(times) for times in texts.values()] == [1, 1, 2]
        first, second = texts["+15550002035"]
        # The first one was given up after 30 s. The engine counts them from a moment before the
        # gateway has the request.
        assert second - first >= 30 + 20 - 1
        assert [len(server.attempts.all()) for server in mail_servers] == [1, 1]
        (alert,) = site.alerts()
        status, out, _ = site.command("alerts", "show", alert["alert_id"])
        assert (status, out.count("it may have arrived")) == (0, 1)
        assert '"note": "it may have arrived"' in engine.output


def see_one(site: Site) -> None:
    site.see("ABC123", datetime.now(UTC))


def test_rules_that_are_saved_every_two_seconds_send_nothing_sooner(
    broker: Broker, tmp_path: Path
) -> None:
    with open_gate(broker, tmp_path, rules("v0")) as gate:
        gate.hook.script.clear(lambda request: Answer(503, {"Retry-After": "20"}))
        with gate.site.start() as engine:
            engine.wait_ready()
            gate.see()
            (first,) = gate.hook.wait_for(1)
            number = 0
            while len(gate.hook.requests.all()) == 1:
                number += 1
                replace(gate.site.rules, rules(f"v{number}"))
                engine.wait_for_line('"event": "rules.reloaded"', number)
                # A list that somebody saves again and again; what is waited for is the second try.
                threading.Event().wait(2.0)
            second = gate.hook.requests.all()[1]
            assert number > 3
            assert second.at - first.at >= 20
