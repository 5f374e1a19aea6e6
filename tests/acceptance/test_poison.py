"""Records that are no events, and events that hold more than plates: the stream goes on."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Message
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from engine.demo.servers import RegistryServer
from engine.demo.street import EventPublisher
from tests.conftest import SMTP_PASSWORD
from tests.support.gate import Gate, open_gate
from tests.support.kafka import Broker
from tests.support.services import SLACK, Services
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA, Site
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.stream import REFRESH_MS, Headers, Publisher

READ_SECONDS = 60.0
HEADERS: Headers = [("traceparent", b"\x00\xff"), ("empty", None), ("traceparent", b"again")]


def poison(good: bytes) -> dict[str, bytes]:
    """Values that are no event, by what is wrong with them."""
    return {
        "wrong magic byte": b"\x07" + good[1:],
        "text": json.dumps({"plate": "ABC123"}).encode(),
        "truncated body": good[:-3],
        "no body": good[:5],
        "no whole header": good[:3],
        "trailing bytes": good + b"\x00",
        "garbage": good[:5] + b"\xff" * 40,
        "empty value": b"",
        "plain Avro": good[5:],
        "Avro file": b"Obj\x01" + good,
        "AWS Glue": b"\x03\x00" + bytes(16) + good[5:],
        "single object": b"\xc3\x01" + bytes(8) + good[5:],
    }


#: What the letters of some of them say.
SAID = {
    "text": "it looks like JSON; let the producer write Avro",
    "plain Avro": "an event in plain Avro, without a schema's id in front",
    "Avro file": "(4f 62 6a 01) are those of an Avro object container file",
    "AWS Glue": "(03 00) are those of a record of AWS Glue's serializer",
    "single object": "(c3 01) are those of a single Avro object",
}


def dead_letters(broker: Broker, registry_url: str, topic: str, count: int) -> list[dict[str, Any]]:
    """So many letters of the dead-letter topic, as any consumer of it reads them."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": f"reader-of-{topic}",
            "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": REFRESH_MS,
        }
    )
    read = AvroDeserializer(SchemaRegistryClient({"url": registry_url}))
    context = SerializationContext(topic, MessageField.VALUE)
    try:
        consumer.subscribe([topic])
        messages: list[Message] = []
        deadline = datetime.now(UTC).timestamp() + READ_SECONDS
        while len(messages) < count and datetime.now(UTC).timestamp() < deadline:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                messages.append(message)
        letters = [read(message.value(), context) for message in messages]
    finally:
        consumer.close()
    assert len(letters) == count
    return letters


@pytest.fixture
def gate(broker: Broker, tmp_path: Path) -> Iterator[Gate]:
    """One webhook that is told of every plate."""
    with open_gate(broker, tmp_path) as opened:
        yield opened


def publish(gate: Gate, last: str) -> dict[str, bytes]:
    """Poison between two good records of one partition, and a tombstone; the poison."""
    text, servers = EVENT_SCHEMA.read_text(), gate.site.broker.bootstrap_servers
    with EventPublisher(servers, gate.registry.url, text, gate.site.topic) as camera:
        first = camera.encode(sighting("FIRST1", datetime.now(UTC)))
        end = camera.encode(sighting(last, datetime.now(UTC)))
    values = poison(first)
    publish = partial(Publisher(servers).publish, gate.site.topic, partition=0)
    publish(first, key=b"cam-1")
    for name, value in values.items():
        publish(value, key=name.encode(), headers=HEADERS)
    publish(None, key=b"\xfe\xff")
    publish(end, key=b"cam-1")
    return values


@pytest.mark.slow
def test_poison_becomes_dead_letters_and_the_next_record_an_alert(
    gate: Gate, broker: Broker
) -> None:
    with gate.site.start() as engine:
        engine.wait_ready()
        values = publish(gate, "SECOND")
        gate.await_plates(["FIRST1", "SECOND"])
        gate.site.await_consumed()
        dead = "alert_engine_dead_letters_total"
        assert engine.wait_for_metric(dead, len(values), error_type="SCHEMA_VALIDATION") == len(
            values
        )
        assert engine.metric("alert_engine_tombstones_total") == 1
        assert engine.metric("alert_engine_events_consumed_total") == 2
        assert engine.stop() == 0
    assert gate.counts() == {"FIRST1": 1, "SECOND": 1}
    letters = dead_letters(broker, gate.registry.url, gate.site.dlq_topic, len(values))
    found = {letter["original_key"]: letter for letter in letters}
    assert set(found) == set(values)
    for name, value in values.items():
        letter, metadata = found[name], found[name]["metadata"]
        assert base64.b64decode(letter["original_message"]) == value
        assert base64.b64decode(metadata["key"]) == name.encode()
        assert base64.b64decode(metadata["header.0.traceparent"]) == b"\x00\xff"
        assert metadata["null_header.1.empty"] == ""
        assert base64.b64decode(metadata["header.2.traceparent"]) == b"again"
        assert metadata["encoding"] == "base64"
        assert letter["error_type"] == "SCHEMA_VALIDATION"
        assert SAID.get(name, "") in letter["error_message"]
        assert letter["error_message"]
        place = (letter["original_topic"], letter["original_partition"])
        assert place == (gate.site.topic, 0)
        assert letter["consumer_group_id"] == gate.site.group
    offsets = sorted(letter["original_offset"] for letter in letters)
    assert offsets == list(range(1, len(values) + 1))


RULES = """
notifications:
  email:
    enabled: true
    smtp_host: localhost
    smtp_port: ${SMTP_PORT}
    username: alerts@example.com
    password: ${SMTP_PASSWORD}
    recipients: [guard@example.com]
  slack: {enabled: true, webhook_url: "${SLACK_WEBHOOK_URL}"}
rules:
  - id: any
    name: Any
    when: "true"
    notify: [email, slack]
    message_template: "{plate.text} at {camera_id}"
"""
EVIL = "A\r\nBcc: thief@example.net\r\n\r\n<script>x()</script><!channel> <@U1> *b* {plate.text}"


def test_data_never_becomes_headers_or_markup(
    broker: Broker, tmp_path: Path, services: Services, smtp_receiver: SmtpReceiver
) -> None:
    variables = {
        **services.environment,
        "SMTP_PORT": str(smtp_receiver.port),
        "SMTP_PASSWORD": SMTP_PASSWORD,
        "SLACK_WEBHOOK_URL": f"https://{SLACK}/services/T0AAAAAAA/B0BBBBBBB/{'c' * 24}",
    }
    event = sighting("ABC123", datetime.now(UTC), camera="cam\r\nX-Evil: 1")
    event["plate"]["text"] = EVIL
    with RegistryServer() as registry:
        site = Site(tmp_path, broker, registry.url, RULES, variables)
        with site.start():
            site.publish([event])
            (mail,) = smtp_receiver.wait_for(1)
            (slack,) = services.wait_for_service(SLACK, 1)
    message = mail.message
    assert mail.recipients == ("guard@example.com",)
    assert (message["Bcc"], message["X-Evil"]) == (None, None)
    assert "\n" not in message["Subject"]
    html = message.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()
    assert "&lt;script&gt;x()&lt;/script&gt;&lt;!channel&gt;" in html.get_content()
    plain = message.get_body(("plain",))
    assert plain is not None
    assert "<script>x()</script><!channel> <@U1> *b* {plate.text}" in plain.get_content()
    assert b"<!channel>" not in slack.body
    assert b"<@U1>" not in slack.body
    assert b"&lt;!channel&gt;" in slack.body


@pytest.mark.slow
def test_an_alert_that_can_not_be_stored_is_a_dead_letter_and_no_crash_loop(gate: Gate) -> None:
    trigger = """CREATE TRIGGER picky BEFORE INSERT ON alerts WHEN NEW.message = 'POISON'
        BEGIN SELECT RAISE(ABORT, 'not this one'); END"""
    plates = ["FIRST1", "POISON", "SECOND", "POISON", "THIRD1"]
    with gate.site.start() as engine:
        engine.wait_ready()
        database = sqlite3.connect(gate.site.folder / "alerts.db")
        database.execute(trigger)
        database.close()
        gate.site.publish([sighting(plate, datetime.now(UTC)) for plate in plates])
        gate.await_plates(["FIRST1", "SECOND", "THIRD1"])
        gate.site.await_consumed()
        dead = "alert_engine_dead_letters_total"
        assert engine.wait_for_metric(dead, 2, error_type="PROCESSING_FAILURE") == 2
        assert engine.metric("alert_engine_events_consumed_total") == len(plates)
        engine.wait_ready()
        assert engine.stop() == 0
    # Nothing of it is waiting for the next start.
    with gate.site.start() as engine:
        engine.wait_ready()
        assert engine.metric("alert_engine_events_consumed_total") == 0
        assert engine.stop() == 0
    assert gate.counts() == {"FIRST1": 1, "SECOND": 1, "THIRD1": 1}
