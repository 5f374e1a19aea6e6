"""Addresses of brokers, as people write them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from confluent_kafka import Consumer

from engine.errors import SettingsError
from engine.settings import Settings, read_brokers


def problems_of(**variables: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(variables)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "brokers"),
    [
        ("kafka:9092", "kafka:9092"),
        (" a:9092 , b.example.org:9093 ", "a:9092,b.example.org:9093"),
        ("[::1]:9092", "[::1]:9092"),
        ("10.0.0.7:1", "10.0.0.7:1"),
        ("my_kafka-1:65535", "my_kafka-1:65535"),
        ("PLAINTEXT://kafka:9092", "PLAINTEXT://kafka:9092"),
    ],
)
def test_what_is_right_is_taken_without_blanks(text: str, brokers: str) -> None:
    settings = Settings.from_environment({"KAFKA_BOOTSTRAP_SERVERS": text})
    assert settings.kafka_bootstrap_servers == brokers
    Consumer({"group.id": "g", "bootstrap.servers": brokers}).close()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kafka", "'kafka' is not host:port, write kafka:9092, or the port that your brokers"),
        ("kafka:", "'kafka:' is not host:port, write kafka:9092"),
        ("SSL://kafka", "'SSL://kafka' is not host:port, write kafka:9092"),
        ("kafka:0", "'kafka:0' is not host:port, write it like kafka.example.org:9092"),
        ("kafka:70000", "'kafka:70000' is not host:port"),
        (":9092", "':9092' is not host:port"),
        ("a:9092 b:9092", "'a:9092 b:9092' is not host:port, separate addresses by commas"),
        ("a:9092;b:9092", "'a:9092;b:9092' is not host:port, separate addresses by commas"),
        ("ka fka:9092", "'ka fka:9092' is not host:port, separate addresses by commas"),
        ("a:9092,", "has an empty entry, write host:port, separated by commas"),
        ("a:9092,,b:9092", "has an empty entry"),
        (",", "has an empty entry"),
        (
            "kafka://h:9092",
            "'kafka://h:9092' is no address of Kafka's, write host:port without kaf",
        ),
        ("http://h:9092", "'http://h:9092' is no address of Kafka's, write host:port without http"),
        ("https://h", "'https://h' is no address of Kafka's, write host:port without https://"),
        ("sasl+ssl://h:1", "'sasl+ssl://h:1' is no address of Kafka's"),
        ("kafka:9092/topic", "'kafka:9092/topic' is not host:port"),
        ("::1:9092", "'::1:9092' is not host:port, write an IPv6 address in brackets"),
        (
            "joe:hush@kafka:9092",
            "holds a login, write host:port, and set KAFKA_CONFIG_SASL_USERNAME",
        ),
        ("SASL_SSL://joe:hush@kafka:9092", "holds a login"),
        ('"kafka:9092"', "'\"kafka:9092\"' is not host:port"),
    ],
)
def test_what_no_broker_answers_to_is_refused_with_a_remedy(text: str, problem: str) -> None:
    (told,) = problems_of(KAFKA_BOOTSTRAP_SERVERS=text)
    assert told.startswith(f"KAFKA_BOOTSTRAP_SERVERS: {problem}")
    assert "hush" not in told
    with pytest.raises(ValueError, match=r"\w"):
        read_brokers(text)


PROTOCOL = "KAFKA_CONFIG_SECURITY_PROTOCOL"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("SASL_SSL://kafka:9093", {}),
        ("sasl_plaintext://a:1,b:1", {}),
        ("SSL://kafka:9093", {}),
        ("a:1,SASL_SSL://b:1", {PROTOCOL: "SSL"}),
        ("PLAINTEXT://a:1", {PROTOCOL: "SASL_SSL"}),
    ],
)
def test_a_protocol_without_its_options_is_refused(text: str, options: Mapping[str, str]) -> None:
    (told,) = problems_of(KAFKA_BOOTSTRAP_SERVERS=text, **options)
    assert told.startswith("KAFKA_BOOTSTRAP_SERVERS: ")
    assert "needs its options, write host:port, and set KAFKA_CONFIG_SECURITY_PROTOCOL=" in told
    assert ("KAFKA_CONFIG_SASL_USERNAME" in told) == ("sasl" in text.lower())


@pytest.mark.parametrize("protocol", ["SASL_SSL", "sasl_ssl"])
def test_a_protocol_with_its_options_is_taken(protocol: str) -> None:
    given = {"KAFKA_BOOTSTRAP_SERVERS": "SASL_SSL://a:1,SASL_SSL://b:1", PROTOCOL: protocol}
    assert Settings.from_environment(given).kafka_bootstrap_servers.count("SASL_SSL") == 2


@pytest.mark.parametrize(
    "text",
    [
        "registry:8081",
        "http://a:8081,,http://b:8081",
        "http://re gistry:8081",
        "http://a:",
        "kafka://a",
        "http://a:99999",
        "http://a:x",
        "http://joe:hush@a:port",
        "http://a:8081 http://b:8081",
    ],
)
def test_an_address_where_no_registry_is_is_refused(text: str) -> None:
    (told,) = problems_of(SCHEMA_REGISTRY_URL=text)
    assert told.startswith("SCHEMA_REGISTRY_URL: ")
    assert "hush" not in told


def test_addresses_of_registries_lose_the_blanks_around_them() -> None:
    settings = Settings.from_environment({"SCHEMA_REGISTRY_URL": " http://a:1 , https://b "})
    assert settings.schema_registry_url.reveal() == "http://a:1,https://b"
