"""Tests of the options that our Kafka clients get."""

from __future__ import annotations

from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaException, Producer

from engine.errors import SettingsError
from engine.settings import Secret, Settings
from engine.stream.options import (
    check_producer_options,
    consumer_options,
    option_problems,
    producer_options,
    redact,
    refused_options,
)


def settings(**options: str) -> Settings:
    named = {name.replace("_", "."): value for name, value in options.items()}
    return Settings(kafka_bootstrap_servers="localhost:1", kafka_options=Secret(named))


def test_offsets_are_ours_and_partitions_move_cooperatively() -> None:
    options = consumer_options(settings())
    assert options["enable.auto.commit"] is False
    assert options["enable.auto.offset.store"] is False
    assert options["partition.assignment.strategy"] == "cooperative-sticky"
    assert options["bootstrap.servers"] == "localhost:1"
    assert options["group.id"] == "alpr-alert-engine"
    assert options["auto.offset.reset"] == "error"


def test_session_is_six_seconds_unless_set_and_heartbeats_follow_it() -> None:
    options = consumer_options(settings())
    assert (options["session.timeout.ms"], options["heartbeat.interval.ms"]) == ("6000", 2_000)
    options = consumer_options(settings(session_timeout_ms="45000"))
    assert (options["session.timeout.ms"], options["heartbeat.interval.ms"]) == ("45000", 15_000)
    options = consumer_options(settings(heartbeat_interval_ms="100"))
    assert options["heartbeat.interval.ms"] == "100"


def test_a_group_waits_a_minute_for_a_lost_member_and_never_less_than_a_session() -> None:
    assert consumer_options(settings())["max.poll.interval.ms"] == 60_000
    long = consumer_options(settings(session_timeout_ms="90000"))
    assert long["max.poll.interval.ms"] == 90_000
    own = consumer_options(settings(max_poll_interval_ms="300000"))
    assert own["max.poll.interval.ms"] == "300000"


def test_newer_group_protocol_leaves_the_session_to_the_broker() -> None:
    options = consumer_options(settings(group_protocol="consumer"))
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & (
        options.keys()
    )
    Consumer(options).close()


@pytest.mark.parametrize("options", [{}, {"session_timeout_ms": "9000", "log_level": "7"}])
def test_librdkafka_takes_the_options(options: dict[str, str]) -> None:
    given = settings(**options, group_instance_id="edge-1", sasl_username="engine")
    Consumer(consumer_options(given)).close()
    Producer(producer_options(given)).close()


def test_user_options_win_over_ours() -> None:
    given = settings(enable_idempotence="false", client_id="edge-7")
    assert producer_options(given)["enable.idempotence"] == "false"
    assert consumer_options(given)["client.id"] == "edge-7"


@pytest.mark.parametrize(
    "name",
    ["acks", "statistics_interval_ms", "transactional_id", "metadata_broker_list", "logger"],
)
def test_options_that_would_break_a_promise_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"KAFKA_CONFIG_{name.upper()}: "):
        consumer_options(settings(**{name: "0"}))


def test_options_that_only_a_producer_refuses_are_told_at_the_start() -> None:
    given = settings(max_in_flight="10")
    Consumer(consumer_options(given)).close()
    with pytest.raises(SettingsError, match=r"max\.in\.flight"):
        check_producer_options(given)


def test_owned_options_are_refused_by_the_name_of_their_variable() -> None:
    with pytest.raises(SettingsError, match=r"KAFKA_CONFIG_PARTITION_ASSIGNMENT_STRATEGY: "):
        consumer_options(settings(partition_assignment_strategy="range"))


def test_secret_values_are_taken_out_of_texts() -> None:
    given = settings(sasl_password="p@/#?%", sasl_username="engine")
    assert redact("user engine, password p@/#?%.", given) == "user engine, password ***."


def test_refused_options_tell_no_secret() -> None:
    given = settings(security_protocol="ssl", ssl_key_pem="hunter2")
    with pytest.raises(KafkaException) as caught:
        Consumer(consumer_options(given))
    error = refused_options(caught.value, given)
    assert "ssl.key.pem" in str(error)
    assert "hunter2" not in str(error)


def test_all_bad_options_are_told_at_once_each_by_its_variable() -> None:
    given = settings(
        acks="1",
        statistics_interval_ms="0",
        foo_bar="x",
        session_timeout_ms="soon",
        security_protocol="nope",
        linger_ms="-1",
        sasl_username="engine",
    )
    assert sorted(option_problems(given)) == [
        "KAFKA_CONFIG_ACKS: a dead letter counts once every replica has it, remove it",
        'KAFKA_CONFIG_FOO_BAR: No such configuration property: "foo.bar"',
        'KAFKA_CONFIG_LINGER_MS: Configuration property "queue.buffering.max.ms" value -1 is '
        "outside allowed range 0..900000",
        'KAFKA_CONFIG_SECURITY_PROTOCOL: Invalid value "nope" for configuration property '
        '"security.protocol"',
        "KAFKA_CONFIG_SESSION_TIMEOUT_MS: Invalid value for configuration property "
        '"session.timeout.ms"',
        "KAFKA_CONFIG_STATISTICS_INTERVAL_MS: /readyz and the lag live by it, remove it",
    ]


def test_what_no_option_alone_is_to_blame_for_is_told_once() -> None:
    given = settings(security_protocol="SASL_SSL", sasl_mechanism="FOO")
    (problem,) = option_problems(given)
    assert problem.startswith("KAFKA_CONFIG_…: ")
    assert "Unsupported SASL mechanism: FOO" in problem


def test_a_problem_tells_no_secret() -> None:
    (problem,) = option_problems(settings(security_protocol="ssl", ssl_key_pem="hunter2"))
    assert problem.startswith("KAFKA_CONFIG_SSL_KEY_PEM: ")
    assert "hunter2" not in problem


def test_good_options_have_no_problems() -> None:
    given = settings(session_timeout_ms="9000", log_level="7", compression_type="zstd")
    assert option_problems(given) == []
    assert option_problems(settings()) == []


def test_options_of_the_producer_do_not_matter_without_dead_letters() -> None:
    given = settings(max_in_flight="10")
    assert [problem[:25] for problem in option_problems(given)] == ["KAFKA_CONFIG_MAX_IN_FLIGH"]
    assert option_problems(replace(given, enable_dlq=False)) == []
