"""Whatever fails, no secret is in anything that the engine leaves behind."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from engine.demo.servers import RegistryServer
from engine.store import OpenMode, open_store
from tests.support.answers import Answer, Request
from tests.support.certificates import Certificates
from tests.support.command import alert_engine, alert_engine_process
from tests.support.engine_process import EngineProcess
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.processes import free_port
from tests.support.services import Services
from tests.support.site import Site
from tests.support.smtp_receiver import SmtpReceiver

# Hard on URLs, on JSON, on HTML and on logs; none occurs anywhere by chance.
SECRETS = {
    "SMTP_PASSWORD": "p@ss/w#rd%41?&x9",
    "SLACK_TOKEN": "z1y2x3w4v5u6t7s8r9q0p1o2",
    "TWILIO_AUTH_TOKEN": "fedcba9876543210" * 2,
    "HEADER_TOKEN": "tök'en@/#%<9>",
    "HMAC_SECRET": 'sig"nä\\k#%91',
    "HOOK_PASSWORD": "h@/#%ok91:x",
    "QUERY_TOKEN": "qu@ry/#%to=ken91",
    "PATH_TOKEN": "pathtoken91abcdef",
    "JSON_PASSWORD": "j@/#%son91",
    "REGISTRY_PASSWORD": "r@/#%eg91",
    "SASL_PASSWORD": "s@/#%asl91",
}
ACCOUNT = "AC" + "0123456789abcdef" * 2
RULES = """
notifications:
  email:
    enabled: true
    smtp_host: localhost
    smtp_port: ${SMTP_PORT}
    username: alerts@example.com
    password: ${SMTP_PASSWORD}
    recipients: [guard@example.com]
  slack: {enabled: true, webhook_url: "https://hooks.slack.com/services/T0/B0/${SLACK_TOKEN}"}
  sms:
    enabled: true
    twilio_account_sid: ${TWILIO_ACCOUNT_SID}
    twilio_auth_token: ${TWILIO_AUTH_TOKEN}
    from_number: "+15550199999"
    to_numbers: ["+15550100001"]
  webhook:
    enabled: true
    url: "${HOOK_URL}/${PATH_TOKEN}?token=${QUERY_TOKEN}"
    headers: {Authorization: "Bearer ${HEADER_TOKEN}"}
    secret: ${HMAC_SECRET}
channels:
  login: "http://user:${HOOK_PASSWORD}@localhost:${HOOK_PORT}/login"
  closed: "http://user:${HOOK_PASSWORD}@localhost:${CLOSED_PORT}/${PATH_TOKEN}"
  strange: "https://localhost:${STRANGE_PORT}/${PATH_TOKEN}"
  nowhere: "https://nowhere.invalid/${PATH_TOKEN}"
  apprise: "json://user:${JSON_PASSWORD}@localhost:${HOOK_PORT}/${PATH_TOKEN}/?-X-Key=${QUERY_TOKEN}"
rules:
  - id: every
    name: Every
    when: "true"
    notify: [email, slack, sms, webhook, login, closed, strange, nowhere, apprise]
    rate_limit: {enabled: false}
    message_template: "{plate.normalized_text}"
"""
HELD = ("email", "slack", "sms", "webhook", "login", "closed", "strange", "nowhere", "apprise")
FORMATS = ("text", "json", "github")


def echo(request: Request) -> Answer:
    """A refusal that tells the caller all that the caller has sent."""
    text = json.dumps({"code": 20003, "message": [request.path, dict(request.headers)]})
    return Answer(401, {"Content-Type": "application/json", "X-Echo": request.path}, text.encode())


def forms(secret: str) -> set[str]:
    """The ways in which a secret may be written."""
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    escaped = {json.dumps(text)[1:-1] for text in plain} | {repr(text)[1:-1] for text in plain}
    logins = {f"{user}:{secret}" for user in ("user", ACCOUNT)}
    encoded = {base64.b64encode(text.encode()).decode() for text in (secret, *logins)}
    return plain | escaped | encoded


@dataclass(frozen=True, slots=True)
class Scene:
    """A site, all of whose channels fail."""

    site: Site
    registry: RegistryServer


@pytest.fixture
def scene(
    broker: Broker, tmp_path: Path, services: Services, smtp_receiver: SmtpReceiver
) -> Iterator[Scene]:
    """Every receiver refuses, and some echo what they got."""
    smtp_receiver.password = "another"
    services.script.clear(echo)
    with (
        RegistryServer() as registry,
        HttpReceiver(respond=echo) as hook,
        HttpReceiver(Certificates(tmp_path).local_server()) as strange,
    ):
        login = quote(SECRETS["REGISTRY_PASSWORD"], safe="")
        environment = {
            **services.environment,
            **SECRETS,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "SMTP_PORT": str(smtp_receiver.port),
            "HOOK_URL": hook.url,
            "HOOK_PORT": str(hook.port),
            "STRANGE_PORT": str(strange.port),
            "CLOSED_PORT": str(free_port()),
            "SCHEMA_REGISTRY_URL": registry.url.replace("://", f"://user:{login}@"),
            "KAFKA_CONFIG_SASL_PASSWORD": SECRETS["SASL_PASSWORD"],
            "LOG_LEVEL": "debug",
            "RETRY_DELAY_BASE": "0.05",
            "MAX_RETRIES": "1",
        }
        yield Scene(Site(tmp_path, broker, registry.url, RULES, environment), registry)


def pages(engine: EngineProcess) -> Iterator[tuple[str, str]]:
    """What the web port tells."""
    for page in ("/", "/metrics", "/readyz", "/healthz", "/nowhere"):
        yield page, engine.get(page)[1]


def logged(engine: EngineProcess) -> Iterator[tuple[str, str]]:
    """The log as it was written, and without JSON's escapes."""
    yield "log", engine.output
    yield "log, unescaped", "".join(str(json.loads(line)) for line in engine.stderr.splitlines())


def stored(site: Site) -> Iterator[tuple[str, str]]:
    """Every byte of the store's files, and what is compressed there."""
    with open_store(f"sqlite:///{site.folder}/alerts.db", OpenMode.TOOL) as store:
        uses = store.rule_sets.at(time.time_ns() // 1_000)
        for files in filter(None, (store.rule_sets.files(each.digest) for each in uses)):
            yield from ((name, content.decode()) for name, content in files.rules.items())
    for path in site.folder.glob("alerts.db*"):
        yield path.name, path.read_bytes().decode("latin-1")
        yield f"{path.name} as UTF-8", path.read_bytes().decode(errors="replace")


def commands(site: Site) -> Iterator[tuple[str, str]]:
    """What people are shown of rules and alerts."""
    (alert,) = site.alerts()
    yield "alerts list", json.dumps(alert, ensure_ascii=False)
    show = ("alerts", "show", alert["alert_id"])
    listed = (("alerts", "list"), show, (*show, "--format", "json"), ("alerts", "redeliver"))
    checks = (("check", "--format", form, "--show-cel") for form in FORMATS)
    for arguments in (*listed, *checks):
        status, out, err = site.command(*arguments)
        assert status == 0, err
        yield " ".join(arguments), out + err


def mistakes(site: Site) -> Iterator[tuple[str, str]]:
    """What is said when the very lines that hold secrets are wrong."""
    wrong = RULES.replace("token=$", "to ken=$").replace("localhost", "local host")
    wrong = wrong.replace("hooks.slack.com/services/T0", "hooks.slack.com/T0")
    wrong = wrong.replace("json://user", "jsn://user").replace("secret:", "sekret:")
    (site.folder / "wrong.yaml").write_text(wrong)
    for form in FORMATS:
        arguments = ("check", "--format", form, "wrong.yaml")
        done = alert_engine(site.folder, *arguments, variables=site.environment)
        assert done.status == 1, done.output
        yield f"check of wrong rules {form}", done.output
    variables = {**site.environment, "RULES_PATH": "wrong.yaml"}
    done = alert_engine_process(site.folder, "run", "--strict", variables=variables)
    assert done.status == 1, done.output
    yield "run of wrong rules", done.output
    # A rule at fault stops the set, a channel at fault is held.
    (site.folder / "broken.yaml").write_text(f"{wrong}  - {{id: broken, when: plat}}\n")
    for rules, event in (("broken", "rules.last_good"), ("wrong", "channel.misconfigured")):
        with site.start(RULES_PATH=f"{rules}.yaml") as engine:
            engine.wait_ready()
            yield from pages(engine)
            assert engine.stop() == 0
        assert event in engine.output
        yield from logged(engine)
    protocol = "KAFKA_CONFIG_SECURITY_PROTOCOL"
    for name in (protocol, "SCHEMA_REGISTRY_URL", "STATE_URL", "KAFKA_TOPIC"):
        variables = {**site.environment, name: SECRETS["SASL_PASSWORD"]}
        done = alert_engine_process(site.folder, "run", variables=variables)
        assert done.status == 2, done.output
        if name != "KAFKA_TOPIC":
            yield f"run with a wrong {name}", done.output


def found(told: Iterable[tuple[str, str]]) -> list[str]:
    """Every secret in what was told, with where it is."""
    known = [(name, form) for name, secret in SECRETS.items() for form in forms(secret)]
    return [
        f"{name} in {place}: {text[max(0, text.find(form) - 150) :][:300]}"
        for place, text in told
        for name, form in known
        if form in text
    ]


def fail_everywhere(scene: Scene, engine: EngineProcess) -> None:
    """Return when every channel is held and the registry is away."""
    engine.wait_for_line("engine.started")
    scene.site.see("ABC123", datetime.now(UTC))
    for channel in HELD:
        engine.wait_for_metric("alert_engine_channel_held", 1, channel=channel)
    scene.registry.available = False


def test_no_secret_is_in_logs_metrics_or_the_store(scene: Scene) -> None:
    with scene.site.start() as engine:
        fail_everywhere(scene, engine)
        told = [*pages(engine), *stored(scene.site)]
        assert any("every" in text for _, text in told), "the rules are not in the store"
        assert engine.stop() == 0
    told += [*logged(engine), *stored(scene.site)]
    assert "***" in engine.output, "nothing was echoed"
    assert found(told) == []


@pytest.mark.slow
def test_no_secret_is_in_what_commands_tell(scene: Scene) -> None:
    with scene.site.start(LOG_FORMAT="console") as engine:
        fail_everywhere(scene, engine)
        told = [*commands(scene.site), ("log", engine.output)]
        assert engine.stop() == 0
    told += mistakes(scene.site)
    assert found(told) == []
