"""With EVENT_TIMEZONE people read its time at every channel; programs read ISO 8601 as ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.demo.servers import RegistryServer
from engine.rules import load_rules
from tests.conftest import SMTP_PASSWORD
from tests.support.avro import plate_schema
from tests.support.command import alert_engine
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.services import SLACK, Services
from tests.support.site import Site
from tests.support.smtp_receiver import SmtpReceiver

ZONE = "America/Sao_Paulo"
RULES = """
channels:
  hook: ${WEBHOOK_URL}
notifications:
  email:
    enabled: true
    smtp_host: localhost
    smtp_port: ${SMTP_PORT}
    username: alerts@example.com
    password: ${SMTP_PASSWORD}
    recipients: [guard@example.com]
  slack:
    enabled: true
    webhook_url: https://hooks.slack.com/services/T0AAAAAAA/B0BBBBBBB/cccccccccccccccccccccccc
watchlists:
  visitors: {file: visitors.csv}
rules:
  - id: stranger
    name: Stranger
    when: plate.normalized_text == "ABC123"
    notify: [email, slack, hook]
  - id: visitor
    name: Visitor
    when: plate.normalized_text in watchlist("visitors")
    notify: [hook]
    message_template: >-
      {time:%H:%M %Z}, until {watchlist("visitors")[plate.normalized_text].valid_until}
"""
LIST = "plate,valid_until\nXYZ789,2099-12-31\n"


@pytest.fixture
def site(
    tmp_path: Path,
    broker: Broker,
    services: Services,
    https_receiver: HttpReceiver,
    smtp_receiver: SmtpReceiver,
) -> Iterator[Site]:
    """An engine's surroundings, with a mail server, Slack and a webhook."""
    (tmp_path / "visitors.csv").write_text(LIST)
    environment = {
        **services.environment,
        "EVENT_TIMEZONE": ZONE,
        "SMTP_PORT": str(smtp_receiver.port),
        "SMTP_PASSWORD": SMTP_PASSWORD,
        "WEBHOOK_URL": f"{https_receiver.url}/alerts",
    }
    with RegistryServer() as registry:
        yield Site(tmp_path, broker, registry.url, RULES, environment)


@pytest.mark.slow
def test_people_read_the_sites_time_and_programs_iso_8601(
    site: Site, services: Services, https_receiver: HttpReceiver, smtp_receiver: SmtpReceiver
) -> None:
    moment = datetime.now(UTC).replace(microsecond=0)
    local = moment.astimezone(ZoneInfo(ZONE))
    shown = f"{local:%Y-%m-%d %H:%M:%S} UTC-03:00"
    with site.start() as engine:
        event = site.see("ABC123", moment)
        site.see("XYZ789", moment)
        requests = https_receiver.wait_for(2)
        (mail,) = smtp_receiver.wait_for(1)
        (slack,) = services.wait_for_service(SLACK, 1)
        assert engine.stop() == 0
    text = f"Stranger: ABC123 at cam-1, {shown}"
    found = {body["alert"]["rule_id"]: body for body in (each.json() for each in requests)}
    assert found["stranger"]["alert"]["message"] == text
    assert found["stranger"]["alert"]["timestamp"] == event["captured_at"]
    assert found["stranger"]["event"] == event
    assert found["visitor"]["alert"]["message"] == (
        f"{local:%H:%M} -03, until 2099-12-31 23:59:59 UTC-03:00"
    )
    assert mail.message["Subject"] == f"[MEDIUM] {text}"
    plain = mail.message.get_body(("plain",))
    assert plain is not None
    assert f"- Captured at: {shown}" in plain.get_content().splitlines()
    assert slack.json()["attachments"][0]["text"].startswith(text)
    stored = {alert["rule_id"]: alert["message"] for alert in site.alerts()}
    assert stored["stranger"] == text


@pytest.mark.parametrize(
    ("captured_at", "message"),
    [
        ("2025-07-01T20:00:05Z", "Gate: ABC123 at gate, 2025-07-01 22:00:05 CEST"),
        ("2025-07-01T22:00:05", "Gate: ABC123 at gate, 2025-07-01 22:00:05 CEST"),
        ("2025-10-26T00:30:00Z", "Gate: ABC123 at gate, 2025-10-26 02:30:00 CEST"),
        ("2025-10-26T01:30:00Z", "Gate: ABC123 at gate, 2025-10-26 02:30:00 CET"),
        ("2025-03-30T01:00:00Z", "Gate: ABC123 at gate, 2025-03-30 03:00:00 CEST"),
    ],
)
def test_the_default_message_names_the_zone_over_both_changes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    repository: Path,
    captured_at: str,
    message: str,
) -> None:
    from engine import open_rules

    monkeypatch.setenv("SCHEMAS_PATH", str(repository / "schemas"))
    monkeypatch.setenv("EVENT_TIMEZONE", "Europe/Berlin")
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n  - {id: gate, name: Gate, when: 'true', notify: []}\n")
    plate = {"normalized_text": "ABC123"}
    event = {"captured_at": captured_at, "camera_id": "gate", "plate": plate}
    (match,) = open_rules(path).match(event)
    assert match.message == message


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Europe/Berlin", "2025-12-30 22:00:00 CET 2025-12-31 23:59:59 CET 31.12.2025"),
        ("UTC", "2025-12-30T22:00:00Z 2025-12-31T23:59:59.999999Z 31.12.2025"),
    ],
)
def test_the_dates_of_a_list_are_those_that_its_file_has(
    tmp_path: Path, zone: str, shown: str
) -> None:
    (tmp_path / "guests.csv").write_text(
        "plate,valid_from,valid_until\nABC123,2025-12-30T22:00,2025-12-31\n"
    )
    row = 'watchlist("guests")[plate.normalized_text]'
    (tmp_path / "rules.yaml").write_text(
        "watchlists: {guests: guests.csv}\nrules:\n  - id: guest\n    notify: []\n"
        '    when: plate.normalized_text in watchlist("guests")\n'
        "    message_template: >-\n"
        f"      {{{row}.valid_from}} {{{row}.valid_until}} {{{row}.valid_until:%d.%m.%Y}}\n"
    )
    (rule,) = load_rules([tmp_path / "rules.yaml"], plate_schema(), None, zone=ZoneInfo(zone)).rules
    bindings = {
        **plate_schema().complete({"plate": {"normalized_text": "ABC123"}}),
        "time": datetime(2025, 12, 31, 12, tzinfo=UTC),
    }
    assert rule.template.render(bindings) == (shown, 0)


CLOCKS = """
rules:
  - {id: night, when: time.getHours() >= 22, notify: []}
  - {id: sunday, when: time.getDayOfWeek() == 0, notify: []}
"""


def test_check_warns_of_clocks_in_utc(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(CLOCKS)
    berlin = {"EVENT_TIMEZONE": "Europe/Berlin"}
    told = alert_engine(tmp_path, "check", "r.yaml", variables=berlin)
    assert told.status == 0
    assert [line for line in told.stdout.splitlines() if line.startswith("r.yaml")] == [
        "r.yaml:3:28: warning: getHours() without a zone is read in UTC, not in EVENT_TIMEZONE, "
        'write time.getHours("Europe/Berlin")',
        "r.yaml:4:29: warning: getDayOfWeek() without a zone is read in UTC, not in "
        'EVENT_TIMEZONE, write time.getDayOfWeek("Europe/Berlin")',
    ]
    for clean in ({}, {"EVENT_TIMEZONE": "UTC"}):
        assert alert_engine(tmp_path, "check", "r.yaml", variables=clean).stdout.endswith(
            " 0 warnings\n"
        )


def test_the_shipped_rules_name_their_zones(repository: Path) -> None:
    in_utc = alert_engine(repository, "check")
    abroad = alert_engine(repository, "check", variables={"EVENT_TIMEZONE": "Asia/Kolkata"})
    assert abroad == in_utc
