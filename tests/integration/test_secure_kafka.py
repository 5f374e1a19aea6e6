"""Kafka with TLS, logins and rules of access: what works, and what each refusal tells.

The rows of docs/security.md are the cases here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from tests.support.certificates import Certificates
from tests.support.gate import Gate, open_gate
from tests.support.handbook import PAGES, table
from tests.support.kafka import is_required
from tests.support.kafka_jars import KafkaUnavailableError
from tests.support.secure_kafka import MUTUAL_TLS, PASSWORD, SCRAM, SecureKafka
from tests.support.stream import Publisher

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WRONG = "wr0ng-pa55word"
GRANTS = ("topic", "group", "letters")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secure-kafka")


@pytest.fixture(scope="module")
def kafka(certificates: Certificates, folder: Path) -> Iterator[SecureKafka]:
    try:
        made = SecureKafka(certificates, folder)
    except KafkaUnavailableError as error:
        if is_required():
            raise
        pytest.skip(f"needs a real Kafka: {error}")
    with made:
        yield made


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with another authority, `ca.pem`, and a client's certificate of it."""
    folder = tmp_path_factory.mktemp("foreign")
    Certificates(folder).pem_store(folder / "client.pem", "e.example.org", common_name="engine")
    return folder


def opened(kafka: SecureKafka, gate: Gate, *without: str) -> None:
    """Make the topic of dead letters, and grant all rights but these."""
    site = gate.site
    kafka.create_topic(site.dlq_topic, 1)
    for name in GRANTS:
        if name not in without:
            kafka.grant(*right(gate, name))


def right(gate: Gate, name: str) -> tuple[ResourceType, str, AclOperation]:
    site = gate.site
    return {
        "topic": (ResourceType.TOPIC, site.topic, AclOperation.READ),
        "group": (ResourceType.GROUP, site.group, AclOperation.READ),
        "letters": (ResourceType.TOPIC, site.dlq_topic, AclOperation.WRITE),
    }[name]


def page_rows() -> dict[str, str]:
    """What the page says of Kafka: the combination, and its result."""
    return {row[0]: row[1] for row in table(PAGES["security.md"], "Kafka with").rows}


@pytest.mark.parametrize(
    ("way", "row"),
    [
        (SCRAM, "`SASL_SSL` with SCRAM-SHA-512"),
        (MUTUAL_TLS, "`SSL` with a client's certificate"),
    ],
)
def test_events_letters_and_tools_come_through(
    kafka: SecureKafka, tmp_path: Path, way: str, row: str
) -> None:
    assert page_rows()[row] == "works"
    with open_gate(kafka, tmp_path, **kafka.environment(way)) as gate:
        opened(kafka, gate)
        with gate.site.start() as engine:
            engine.wait_ready()
            plates = gate.see(3)
            gate.await_plates(plates)
            Publisher(kafka.bootstrap_servers).publish(gate.site.topic, b"no event")
            name = "alert_engine_dead_letters_total"
            engine.wait_for_metric(name, 1, error_type="SCHEMA_VALIDATION")
            gate.site.await_consumed()
            assert engine.stop() == 0
            assert PASSWORD not in engine.output
        kafka.grant(ResourceType.TOPIC, gate.site.dlq_topic, AclOperation.READ)
        for arguments, word in (
            (("replay", "kafka", "--since", "1h", "--format", "json"), '"every"'),
            (("dlq", "list"), "SCHEMA_VALIDATION"),
            (("why-not", plates[0]), plates[0]),
            (("status",), "dead letters"),
        ):
            status, out, err = gate.site.command(*arguments)
            assert word in out, (arguments, status, out, err)
            assert PASSWORD not in out + err


#: By the page's rows: the way, its changed settings, and the setting to correct.
CASES: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "wrong password": (SCRAM, {"SASL_PASSWORD": WRONG}, "KAFKA_CONFIG_SASL_PASSWORD"),
    "another SASL mechanism": (SCRAM, {"SASL_MECHANISM": "PLAIN"}, "KAFKA_CONFIG_SASL_MECHANISM"),
    "another authority": (SCRAM, {"SSL_CA_LOCATION": "{foreign}/ca.pem"}, "SSL_CA_LOCATION"),
    "no TLS": (SCRAM, {"SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "KAFKA_CONFIG_SECURITY_PROTOCOL"),
    "no certificate": (
        MUTUAL_TLS,
        {"SSL_CERTIFICATE_LOCATION": "", "SSL_KEY_LOCATION": ""},
        "KAFKA_CONFIG_SSL_CERTIFICATE_LOCATION",
    ),
    "a certificate of another authority": (
        MUTUAL_TLS,
        {
            "SSL_CERTIFICATE_LOCATION": "{foreign}/client.pem",
            "SSL_KEY_LOCATION": "{foreign}/client.pem",
        },
        "KAFKA_CONFIG_SSL_CERTIFICATE_LOCATION",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_who_is_not_let_in_is_told_what_to_correct(
    kafka: SecureKafka, tmp_path: Path, foreign: Path, case: str
) -> None:
    way, changes, variable = CASES[case]
    assert variable in page_rows()[case]
    changed = {f"KAFKA_CONFIG_{name}": it.format(foreign=foreign) for name, it in changes.items()}
    environment = kafka.environment(way) | changed
    environment = {name: value for name, value in environment.items() if value}
    with open_gate(kafka, tmp_path, **environment) as gate:
        opened(kafka, gate)
        with gate.site.start() as engine:
            detail = engine.wait_for_check("consuming", variable)["checks"]["consuming"]["detail"]
            assert environment["KAFKA_BOOTSTRAP_SERVERS"] in detail
            line = json.loads(engine.wait_for_line(variable + '.*"broker.away"').text)
            assert variable in line["remedy"]
            assert engine.stop() == 0
            assert WRONG not in engine.output
            assert PASSWORD not in engine.output
        if case == "wrong password":
            status, out, err = gate.site.command("replay", "kafka", "--since", "1h")
            assert (status, variable in err) == (2, True), (out, err)
            assert WRONG not in err


@pytest.mark.parametrize(
    ("case", "missing", "words"),
    [
        ("`Read` on the topic denied", "topic", "Read on the topic"),
        ("`Read` on the group denied", "group", "KAFKA_GROUP_ID"),
        ("only `Describe` on the topic", "topic", "Read on the topic"),
    ],
)
def test_what_is_not_granted_is_named_and_goes_on_once_it_is(
    kafka: SecureKafka, tmp_path: Path, case: str, missing: str, words: str
) -> None:
    assert words in page_rows()[case]
    with open_gate(kafka, tmp_path, **kafka.environment(SCRAM)) as gate:
        opened(kafka, gate, missing)
        if "Describe" in case:
            kafka.grant(ResourceType.TOPIC, gate.site.topic, AclOperation.DESCRIBE)
        with gate.site.start() as engine:
            engine.wait_for_check("consuming", words)
            line = json.loads(engine.wait_for_line('"stream.refused"').text)
            assert words in line["remedy"]
            kafka.grant(*right(gate, missing))
            gate.await_plates(gate.see(1))
            engine.wait_ready()
            assert engine.stop() == 0


def test_letters_that_may_not_be_written_wait_in_the_store(
    kafka: SecureKafka, tmp_path: Path
) -> None:
    assert "`dead_letters` of `/readyz`" in page_rows()["`Write` on `DLQ_TOPIC` denied"]
    with open_gate(kafka, tmp_path, **kafka.environment(SCRAM)) as gate:
        opened(kafka, gate, "letters")
        with gate.site.start() as engine:
            engine.wait_ready()
            Publisher(kafka.bootstrap_servers).publish(gate.site.topic, b"no event")
            line = json.loads(engine.wait_for_line('"dead_letters.refused"').text)
            assert "authorization failed" in line["reason"]
            assert "permit the topic" in line["remedy"]
            engine.wait_for_check("dead_letters", "authorization failed")
            gate.await_plates(gate.see(1))
            kafka.grant(*right(gate, "letters"))
            engine.wait_for_metric(
                "alert_engine_dead_letters_total", 1, error_type="SCHEMA_VALIDATION"
            )
            assert engine.stop() == 0


def test_a_right_that_is_taken_back_is_noticed(kafka: SecureKafka, tmp_path: Path) -> None:
    with open_gate(kafka, tmp_path, **kafka.environment(SCRAM)) as gate:
        opened(kafka, gate)
        with gate.site.start() as engine:
            engine.wait_ready()
            gate.await_plates(gate.see(1))
            kafka.revoke(*right(gate, "topic"))
            engine.wait_for_check("consuming", "Read on the topic")
            kafka.grant(*right(gate, "topic"))
            gate.await_plates(gate.see(1))
            engine.wait_ready()
