"""One engine, a webhook receiver for each kind of trouble, and a mail server that is well."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine.demo.servers import RegistryServer
from tests.support.answers import Request
from tests.support.certificates import Certificates
from tests.support.engine_process import EngineProcess
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.sightings import sighting
from tests.support.site import Site
from tests.support.smtp_receiver import Mail, SmtpReceiver

USERNAME, PASSWORD = "alerts@example.com", "secret"

NOTIFICATIONS = """
notifications:
  email:
    enabled: true
    smtp_host: localhost
    smtp_port: {port}
    username: alerts@example.com
    password: ${{SMTP_PASSWORD}}
    recipients: [guard@example.com]
"""
# How long an answer may take: long, but where a test has one wait for it in vain.
ANSWER_SECONDS = 30
HANGING_SECONDS = 5
CHANNEL = """
  {kind}: {{url: "{url}/{kind}", timeout: {timeout}}}"""
# The sighting of a plate KIND and a number makes the rule `kind` fire.
RULE = """
  - id: {kind}
    name: Webhook
    when: plate.normalized_text.startsWith("{plate}")
    notify: [{kind}, email]
    rate_limit: {{enabled: false}}
    message_template: "{{plate.normalized_text}}"
"""


class WebhookScene:
    """Each kind has a rule, a channel and a receiver of its own; mail gets every alert too."""

    def __init__(
        self,
        site: Site,
        engine: EngineProcess,
        hooks: dict[str, HttpReceiver],
        mail: SmtpReceiver,
    ) -> None:
        self.site = site
        self.engine = engine
        self.hooks = hooks
        self.mail = mail

    def fire(self, kind: str, *numbers: int) -> list[str]:
        """Make the rule of this kind fire; the messages, as soon as mail has brought them all."""
        plates = [f"{kind.upper()}{number}" for number in numbers]
        now = datetime.now(UTC)
        self.site.publish([sighting(plate, now) for plate in plates])
        for plate in plates:
            self.mail.mails.wait_for(1, where=partial(is_about, plate))
        return plates

    def deliveries(self, kind: str) -> dict[str, Any]:
        """The channel's deliveries, as `alerts list` tells them, by message."""
        return {
            alert["message"]: delivery
            for alert in self.site.alerts("--rule", kind)
            for delivery in alert["deliveries"]
            if delivery["channel"] == kind
        }

    def await_state(self, kind: str, plate: str, state: str) -> dict[str, Any]:
        """The delivery, once it is in this state; AssertionError after a minute."""
        found: dict[str, Any] = {}

        def is_there() -> bool:
            found.update(self.deliveries(kind)[plate])
            return bool(found["state"] == state)

        await_that(is_there, lambda: found)
        return found

    def is_held(self, kind: str) -> bool:
        """Whether `/readyz` names the channel as held."""
        # A held channel does not take the engine out of service.
        body = self.engine.wait_ready()
        return f"{kind}:" in body["checks"]["channels"]["detail"]

    def await_held(self, kind: str) -> None:
        """Return when the channel is held, and that is stored; AssertionError after a minute."""
        await_that(lambda: self.is_held(kind), lambda: self.engine.output, step_seconds=0.05)
        # A hold that is being written still is none that a redelivery could release.
        self.site.await_holds(kind, 1)

    def redeliver(self, kind: str) -> None:
        """What an operator does after the repair."""
        status, _, err = self.site.command("alerts", "redeliver", "--channel", kind)
        assert status == 0, err


@contextlib.contextmanager
def open_scene(
    broker: Broker,
    certificates: Certificates,
    folder: Path,
    kinds: Sequence[str],
    **settings: str,
) -> Iterator[WebhookScene]:
    """A running engine with everything around it; `settings` are environment variables."""
    with contextlib.ExitStack() as stack:
        hooks = {kind: stack.enter_context(HttpReceiver()) for kind in kinds}
        tls = certificates.local_server()
        mail = stack.enter_context(SmtpReceiver(tls, USERNAME, PASSWORD))
        registry = stack.enter_context(RegistryServer())
        environment = {**certificates.environment, "SMTP_PASSWORD": PASSWORD, **settings}
        rules = rule_file(hooks, mail.port)
        site = Site(folder, broker, registry.url, rules, environment)
        engine = stack.enter_context(site.start())
        engine.wait_ready()
        yield WebhookScene(site, engine, hooks, mail)


def rule_file(hooks: dict[str, HttpReceiver], smtp_port: int) -> str:
    """The rules, channels and notifications of a scene."""
    channels = "".join(
        CHANNEL.format(
            kind=kind,
            url=hook.url,
            timeout=HANGING_SECONDS if kind == "hanging" else ANSWER_SECONDS,
        )
        for kind, hook in hooks.items()
    )
    rules = "".join(RULE.format(kind=kind, plate=kind.upper()) for kind in hooks)
    return f"{NOTIFICATIONS.format(port=smtp_port)}channels:{channels}\nrules:{rules}"


def is_about(plate: str, mail: Mail) -> bool:
    """Whether the mail's subject ends with this message."""
    return str(mail.message["Subject"]).endswith(f": {plate}")


def message(request: Request) -> str:
    """The alert's message in a webhook's request."""
    return str(request.json()["alert"]["message"])


def key(request: Request) -> str:
    """What tells a repetition from another delivery."""
    return request.headers["idempotency-key"]


def gaps(requests: Sequence[Request]) -> list[float]:
    """Seconds from each request to the next."""
    return [later.at - sooner.at for sooner, later in pairwise(requests)]
