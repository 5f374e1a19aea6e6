"""A plate event on Kafka that a list names becomes an alert with the row's note in its message."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.demo.servers import RegistryServer
from tests.support.certificates import Certificates
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.sightings import sighting
from tests.support.site import Site

RULES = """
watchlists:
  stolen: {file: lists/stolen.csv, note: Grund}

channels:
  hook: ${WEBHOOK_URL}

rules:
  - id: stolen
    when: plate.normalized_text in watchlist("stolen")
    notify: [hook]
    rate_limit:
      dedup_key: watchlist("stolen")[plate.normalized_text].case
    message_template: |-
      {plate.normalized_text}: {watchlist("stolen")[plate.normalized_text].note}, {}
""".replace("{}", '{watchlist("stolen")[plate.normalized_text].valid_until:%d.%m.%Y}')


@pytest.fixture
def site(
    tmp_path: Path, broker: Broker, https_receiver: HttpReceiver, certificates: Certificates
) -> Iterator[Site]:
    """An engine with one rule on one list, as a German spreadsheet saves it."""
    today = datetime.now(UTC).date()
    lines = [
        "Plate;Grund;Case;valid_from;valid_until",
        f'ab-c 123;"roter ""Golf""\r\nnicht ansprechen";1;;{today + timedelta(days=2)}',
        f"XYZ 789;nur gestern;2;;{today - timedelta(days=1):%d.%m.%Y}",
        "DEF 456;derselbe Fall;1;;",
        ";kein Kennzeichen;3;;",
    ]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "stolen.csv").write_bytes(
        b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n"
    )
    environment = {
        **certificates.environment,
        "WEBHOOK_URL": f"{https_receiver.url}/alerts",
        "MAX_ALERT_AGE": "7d",
    }
    with RegistryServer() as registry:
        yield Site(tmp_path, broker, registry.url, RULES, environment)


@pytest.mark.slow
def test_what_a_list_says_goes_out_with_the_alert(site: Site, https_receiver: HttpReceiver) -> None:
    now = datetime.now(UTC)
    with site.start() as engine:
        site.see("NONE11", now)
        site.see("XYZ789", now)
        site.see("ABC123", now)
        site.see("DEF456", now)
        site.await_consumed()
        https_receiver.wait_for(1)
        metrics = engine.get("/metrics")[1]
        assert 'alert_engine_watchlist_rows{watchlist="stolen"} 3.0' in metrics
        site.see("XYZ789", now - timedelta(days=2))
        https_receiver.wait_for(2)
        assert engine.stop() == 0
        output = engine.output
    messages = [request.json()["alert"]["message"] for request in https_receiver.requests.all()]
    until = f"{now + timedelta(days=2):%d.%m.%Y}"
    yesterday = f"{now - timedelta(days=1):%d.%m.%Y}"
    assert messages == [
        f'ABC123: roter "Golf"\r\nnicht ansprechen, {until}',
        f"XYZ789: nur gestern, {yesterday}",
    ]
    # A row that is left out is told at the start, and no plate of the list is.
    assert "stolen.csv:6:1" in output
    assert "this row is left out: the plate is empty" in output
    assert "XYZ" not in output


STATES = """
watchlists:
  hot: hot.csv

channels:
  hook: ${WEBHOOK_URL}

rules:
  - id: listed
    when: plate.normalized_text in watchlist("hot")
    notify: [hook]
    rate_limit: {cooldown_seconds: 0}
    message_template: 'listed: {plate.normalized_text}'
  - id: stolen_there
    when: |
      watchlist("hot").rows(plate.normalized_text)
        .exists(r, r.state == plate.region && r.reason == "stolen")
    notify: [hook]
    rate_limit: {cooldown_seconds: 0}
    message_template: >-
      {plate.region}: {watchlist("hot").rows(plate.normalized_text).map(r, r.reason)}
"""


@pytest.mark.slow
def test_one_number_of_two_states_as_cameras_have_it_that_do_not_normalise(
    tmp_path: Path, broker: Broker, https_receiver: HttpReceiver, certificates: Certificates
) -> None:
    (tmp_path / "hot.csv").write_text(
        "plate,state,reason\nKFA8725,GA,expired insurance\nKFA 8725,FL,stolen\n"
    )
    environment = {
        **certificates.environment,
        "WEBHOOK_URL": f"{https_receiver.url}/alerts",
    }
    now = datetime.now(UTC)
    with RegistryServer() as registry:
        site = Site(tmp_path, broker, registry.url, STATES, environment)
        with site.start() as engine:
            events = [
                sighting(text, now, track_id=f"{text}-{region}")
                for text in ("kfa-8725", "KFA8725", "kfa-8726")
                for region in ("FL", "GA")
            ]
            for event, region in zip(events, ("FL", "GA") * 3, strict=True):
                event["plate"]["region"] = region
            site.publish(events)
            site.await_consumed()
            https_receiver.wait_for(6)
            assert engine.stop() == 0
    messages = [request.json()["alert"]["message"] for request in https_receiver.requests.all()]
    assert sorted(messages) == [
        "FL: [expired insurance, stolen]",
        "FL: [expired insurance, stolen]",
        "listed: KFA8725",
        "listed: KFA8725",
        "listed: kfa-8725",
        "listed: kfa-8725",
    ]
