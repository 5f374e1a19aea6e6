"""A plate event on Kafka becomes an alert at every channel, seen from outside."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from engine.demo.servers import RegistryServer
from tests.conftest import SMTP_PASSWORD, SMTP_USERNAME
from tests.support.answers import Request
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.services import SLACK, TWILIO, Services
from tests.support.sightings import sighting, stamp
from tests.support.site import EVENT_SCHEMA, Site
from tests.support.smtp_receiver import Login, Mail, SmtpReceiver

ACCOUNT = "AC" + "0123456789abcdef" * 2
TWILIO_TOKEN = "fedcba9876543210" * 2
WEBHOOK_TOKEN = "t0ken@/#%"
SLACK_PATH = "/services/T0AAAAAAA/B0BBBBBBB/cccccccccccccccccccccccc"
RECIPIENTS = ("guard@example.com", "chief@example.org")
NUMBERS = ("+15550100001", "+15550100002")
COOLDOWN_SECONDS = 300

RULES = """
notifications:
  email:
    enabled: true
    smtp_host: localhost
    smtp_port: ${SMTP_PORT}
    use_tls: true
    username: alerts@example.com
    password: ${SMTP_PASSWORD}
    from_address: "ALPR Alerts <alerts@example.com>"
    recipients: [guard@example.com, chief@example.org]
  slack:
    enabled: true
    webhook_url: ${SLACK_WEBHOOK_URL}
    channel: "#gate"
    username: ALPR
    icon_emoji: ":rotating_light:"
  webhook:
    enabled: true
    url: ${WEBHOOK_URL}
    method: POST
    headers:
      Authorization: Bearer ${WEBHOOK_TOKEN}
      X-Site: north
    timeout: 30
  sms:
    enabled: true
    twilio_account_sid: ${TWILIO_ACCOUNT_SID}
    twilio_auth_token: ${TWILIO_AUTH_TOKEN}
    from_number: "+15550199999"
    to_numbers: ["+15550100001", "+15550100002"]
rules:
  - id: watchlist_plate
    name: Watchlist Plate Detected
    priority: high
    conditions:
      - {field: plate.normalized_text, operator: in_list, value: [ABC123, XYZ789]}
      - {field: plate.confidence, operator: greater_than, value: 0.8}
    notify: [email, slack, webhook, sms]
    rate_limit: {enabled: true, cooldown_seconds: 300, dedup_key: plate.normalized_text}
    message_template: |
      WATCHLIST PLATE {plate.normalized_text} ({plate.confidence:.2%}) at {camera_id}, {captured_at}
"""

NEAR_RULES = """
watchlists:
  stolen: {file: stolen.csv}
rules:
  - id: stolen_car
    name: Stolen Car
    priority: high
    when: similar(plate.normalized_text, watchlist("stolen"))
    notify: [email, slack, webhook, sms]
"""


class Receivers:
    """The four channels' far ends."""

    def __init__(self, services: Services, webhook: HttpReceiver, mail: SmtpReceiver) -> None:
        self.services = services
        self.webhook = webhook
        self.mail = mail

    @property
    def environment(self) -> dict[str, str]:
        """Where they are, and what lets the engine in."""
        return {
            **self.services.environment,
            "SMTP_PORT": str(self.mail.port),
            "SMTP_PASSWORD": SMTP_PASSWORD,
            "SLACK_WEBHOOK_URL": f"https://{SLACK}{SLACK_PATH}",
            "WEBHOOK_URL": f"{self.webhook.url}/alerts?site=north",
            "WEBHOOK_TOKEN": WEBHOOK_TOKEN,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
        }

    def wait_for(self, alerts: int) -> None:
        """Return when each recipient has got so many alerts, and nobody more."""
        self.webhook.wait_for(alerts)
        self.mail.wait_for(alerts * len(RECIPIENTS))
        self.services.wait_for_service(SLACK, alerts)
        self.services.wait_for_service(TWILIO, alerts * len(NUMBERS))
        assert self.counts() == (alerts, alerts * 2, alerts, alerts * 2)

    def counts(self) -> tuple[int, int, int, int]:
        """Requests at the webhook, mails, Slack messages, text messages."""
        return (
            len(self.webhook.requests.all()),
            len(self.mail.mails.all()),
            len(self.services.to(SLACK)),
            len(self.services.to(TWILIO)),
        )


@pytest.fixture
def receivers(
    services: Services, https_receiver: HttpReceiver, smtp_receiver: SmtpReceiver
) -> Receivers:
    """The four channels' far ends, all running."""
    return Receivers(services, https_receiver, smtp_receiver)


@pytest.fixture
def site(tmp_path: Path, broker: Broker, receivers: Receivers) -> Iterator[Site]:
    """An engine's surroundings with the watchlist rule and four channels."""
    with RegistryServer() as registry:
        yield Site(tmp_path, broker, registry.url, RULES, receivers.environment)


def message_for(event: dict[str, Any]) -> str:
    """The rule's template, filled in by hand."""
    return f"WATCHLIST PLATE ABC123 (95.00%) at {event['camera_id']}, {event['captured_at']}"


def test_one_sighting_reaches_all_four_channels(site: Site, receivers: Receivers) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with site.start() as engine:
        event = site.see("ABC123", before)
        receivers.wait_for(1)
        assert engine.stop() == 0
    after = datetime.now(UTC)
    text = message_for(event)
    alert_id = check_webhook(receivers.webhook.requests.all()[0], event, text, (before, after))
    check_slack(receivers.services.to(SLACK)[0], text)
    check_texts(receivers.services.to(TWILIO), text)
    check_mails(receivers.mail.mails.all(), event, text, alert_id)
    assert receivers.mail.logins.all() == [Login(SMTP_USERNAME, SMTP_PASSWORD)] * len(RECIPIENTS)
    assert receivers.services.refused.all() == []


def check_webhook(
    request: Request, event: dict[str, Any], text: str, span: tuple[datetime, datetime]
) -> str:
    """The webhook's request, whole; the alert's id."""
    assert (request.method, request.path) == ("POST", "/alerts?site=north")
    assert request.headers["authorization"] == f"Bearer {WEBHOOK_TOKEN}"
    assert request.headers["x-site"] == "north"
    assert request.headers["content-type"].startswith("application/json")
    assert request.headers["idempotency-key"]
    body = request.json()
    alert_id, created_at = body["alert"].pop("id"), body["alert"].pop("created_at")
    late_seconds = body["alert"].pop("late_seconds")
    assert isinstance(alert_id, str)
    assert alert_id
    assert span[0] <= datetime.fromisoformat(created_at) <= span[1]
    assert 0 <= late_seconds < 300
    assert body == {
        "alert": {
            "rule_id": "watchlist_plate",
            "rule_name": "Watchlist Plate Detected",
            "priority": "high",
            "message": f"{text}\n",
            "timestamp": event["captured_at"],
            "suppressed_count": 0,
            "matched_plate": None,
            "likeness": 1.0,
        },
        "event": event,
    }
    return alert_id


def check_slack(request: Request, text: str) -> None:
    """Slack's request, whole."""
    assert (request.method, request.path) == ("POST", SLACK_PATH)
    assert request.json() == {
        "username": "ALPR",
        "channel": "#gate",
        "icon_emoji": ":rotating_light:",
        "mrkdwn": False,
        "attachments": [
            {
                "title": "[HIGH] Watchlist Plate Detected",
                "text": f"{text}\nPlate image: https://images.example/ABC123.jpg",
                "color": "#A32037",
            }
        ],
    }


def check_texts(requests: list[Request], text: str) -> None:
    """Twilio's requests, whole: one for each number."""
    credentials = base64.b64encode(f"{ACCOUNT}:{TWILIO_TOKEN}".encode()).decode()
    for request in requests:
        assert request.method == "POST"
        assert request.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        assert request.headers["authorization"] == f"Basic {credentials}"
    forms = sorted((request.form() for request in requests), key=lambda form: form["To"])
    assert forms == [
        {"Body": [text], "From": ["+15550199999"], "To": [number]} for number in NUMBERS
    ]


def body_of(message: EmailMessage, kind: str) -> str:
    """The text of the message's part of this kind ("plain", "html")."""
    part = message.get_body((kind,))
    assert part is not None, f"no {kind} part"
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def check_mails(mails: list[Mail], event: dict[str, Any], text: str, alert_id: str) -> None:
    """The mails, whole: one for each recipient, the same but for the recipient."""
    assert sorted(mail.recipients for mail in mails) == sorted((name,) for name in RECIPIENTS)
    facts = [
        "Rule: Watchlist Plate Detected (watchlist_plate)",
        "Priority: high",
        f"Captured at: {event['captured_at']}",
        f"Alert: {alert_id}",
    ]
    image = "https://images.example/ABC123.jpg"
    for mail in mails:
        message = mail.message
        assert (mail.sender, mail.username, mail.encrypted) == (SMTP_USERNAME, SMTP_USERNAME, True)
        assert message["From"] == "ALPR Alerts <alerts@example.com>"
        assert message["To"] == mail.recipients[0]
        assert message["Subject"] == f"[HIGH] Watchlist Plate Detected: {text}"
        assert body_of(message, "plain").splitlines() == [
            text,
            f"Plate image: {image}",
            "---",
            *(f"- {fact}" for fact in facts),
        ]
        html = body_of(message, "html")
        assert f"<div>{text}</div>" in html
        assert f'<a href="{image}">{image}</a>' in html
        assert "".join(f"<li>{fact}</li>" for fact in facts) in html
        assert b"{" not in mail.raw


@pytest.mark.slow
def test_a_misread_plate_is_told_apart_at_all_four_channels(
    site: Site, receivers: Receivers
) -> None:
    (site.folder / "stolen.csv").write_text("plate,note\nABC-123,grey van\nXYZ789,red car\n")
    site.rules.write_text(RULES.partition("rules:\n")[0] + NEAR_RULES)
    now = datetime.now(UTC).replace(microsecond=0)
    with site.start() as engine:
        misread = site.see("A8C123", now)
        receivers.wait_for(1)
        exact = site.see("XYZ789", now)
        receivers.wait_for(2)
        site.see("A8C1Z9", now)
        site.await_consumed()
        assert engine.stop() == 0
    assert receivers.counts() == (2, 4, 2, 4)

    words = "read A8C123, listed ABC123 (97 %)"
    near = f"Stolen Car: {words} at {misread['camera_id']}, {misread['captured_at']}"
    same = f"Stolen Car: XYZ789 at {exact['camera_id']}, {exact['captured_at']}"
    told = [request.json()["alert"] for request in receivers.webhook.requests.all()]
    assert [(each["message"], each["matched_plate"], each["likeness"]) for each in told] == [
        (near, "ABC123", pytest.approx(1 - 20 / 600)),
        (same, None, 1.0),
    ]
    slack = [request.json()["attachments"][0] for request in receivers.services.to(SLACK)]
    assert [(each["title"], each["text"].split("\n")[0]) for each in slack] == [
        ("[HIGH] possible: Stolen Car", near),
        ("[HIGH] Stolen Car", same),
    ]
    texts = [request.form()["Body"][0] for request in receivers.services.to(TWILIO)]
    assert texts == [f"possible: {near}"] * 2 + [same] * 2
    mails = [each.message for each in receivers.mail.mails.all()]
    subjects = [f"[HIGH] possible: {near}"] * 2 + [f"[HIGH] {same}"] * 2
    assert [each["Subject"] for each in mails] == subjects
    facts = [f"- Read{words.removeprefix('read')}" in body_of(each, "plain") for each in mails]
    assert facts == [True, True, False, False]

    stored = {each["message"]: each for each in site.alerts()}
    assert (stored[near]["matched_plate"], stored[same]["matched_plate"]) == ("ABC123", None)
    shown = site.command("alerts", "show", stored[near]["alert_id"])[1]
    asked = site.command("why-not", misread["plate"]["normalized_text"], "--at", stamp(now))[1]
    assert f"  possible: {words}" in asked.splitlines()
    assert f"possible {words}" in [" ".join(line.split()) for line in shown.splitlines()]


@pytest.mark.slow
def test_a_cooldown_silences_all_channels_and_ends_for_all(
    site: Site, receivers: Receivers
) -> None:
    first = datetime.now(UTC)
    inside = first + timedelta(seconds=COOLDOWN_SECONDS - 0.001)
    with site.start() as engine:
        site.see("ABC123", first)
        receivers.wait_for(1)
        site.see("ABC123", inside)
        site.await_consumed()
        assert receivers.counts() == (1, 2, 1, 2)
        site.see("ABC123", first + timedelta(seconds=COOLDOWN_SECONDS))
        receivers.wait_for(2)
        assert engine.stop() == 0
    assert receivers.counts() == (2, 4, 2, 4)
    told = [request.json()["alert"] for request in receivers.webhook.requests.all()]
    assert [(alert["timestamp"], alert["suppressed_count"]) for alert in told] == [
        (stamp(first), 0),
        (stamp(first + timedelta(seconds=COOLDOWN_SECONDS)), 1),
    ]


def newer_schema() -> str:
    """The event's schema as a later producer has it: fields in another order, and a new one."""
    schema = json.loads(EVENT_SCHEMA.read_text())
    lane = {"name": "lane", "type": "int", "default": 0}
    schema["fields"] = [lane, *reversed(schema["fields"])]
    return json.dumps(schema)


def test_a_newer_writers_schema_is_understood(site: Site, receivers: Receivers) -> None:
    event = sighting("XYZ789", datetime.now(UTC))
    with site.start():
        site.publish([{**event, "lane": 3}], newer_schema())
        receivers.wait_for(1)
    assert receivers.webhook.requests.all()[0].json()["event"] == event
