from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from engine.errors import SettingsError
from engine.settings import Keep, Secret, Settings


def problems_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    return caught.value.problems


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings(variables=settings.variables)
    assert settings.kafka_topics == ("alpr.plates.detected",)
    assert settings.kafka_group_id == "alpr-alert-engine"
    assert settings.auto_offset_reset == "earliest"
    assert settings.dlq_topic == "alpr.dlq"
    assert settings.max_retries == 3
    assert settings.retry_delay_base_seconds == 5.0
    assert settings.metrics_port == 8003
    assert settings.state_url == "sqlite:///state/alerts.db"
    assert settings.event_schema_path == Path("schemas/plate_event.avsc")
    assert settings.dlq_schema_path == Path("schemas/dlq_message.avsc")


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_environment({"KAFKA_TOPIC": " ", "METRICS_PORT": ""}).metrics_port == 8003


def test_several_topics_are_separated_by_commas() -> None:
    settings = Settings.from_environment({"KAFKA_TOPIC": "a, b,a,"})
    assert settings.kafka_topics == ("a", "b")


@pytest.mark.parametrize("name", ["RULES_PATH", "RULES_CONFIG_PATH"])
def test_either_variable_names_the_rules(name: str) -> None:
    assert Settings.from_environment({name: "x/y.yaml"}).rules_path == Path("x/y.yaml")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("24h", 86_400), ("7d", 604_800)]
)
def test_durations_take_units(text: str, seconds: float) -> None:
    assert Settings.from_environment({"MAX_ALERT_AGE": text}).max_alert_age_seconds == seconds


def test_librdkafka_options_pass_through() -> None:
    settings = Settings.from_environment(
        {"KAFKA_CONFIG_SASL_PASSWORD": "p", "KAFKA_CONFIG_GROUP_INSTANCE_ID": "i"}
    )
    assert settings.kafka_options.reveal() == {"sasl.password": "p", "group.instance.id": "i"}


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    held = {
        "SCHEMA_REGISTRY_URL": "http://u:hush1@registry:8081",
        "KAFKA_CONFIG_SASL_PASSWORD": "h2",
    }
    held |= {"SCHEMA_REGISTRY_CONFIG_BASIC_AUTH_USER_INFO": "u:h3", "STATE_URL": "sqlite:///h4.db"}
    environment = {}
    for name, text in held.items():
        (tmp_path / name).write_text(f"{text}\r\n")
        environment[f"{name}_FILE"] = str(tmp_path / name)
    settings = Settings.from_environment(environment)
    assert settings.schema_registry_url.reveal() == held["SCHEMA_REGISTRY_URL"]
    assert settings.kafka_options.reveal() == {"sasl.password": "h2"}
    assert settings.schema_registry_options.reveal() == {"basic.auth.user.info": "u:h3"}
    assert settings.state_url == "sqlite:///h4.db"
    assert "hush1" not in repr(settings)


def test_a_line_end_after_a_secret_is_no_part_of_it() -> None:
    settings = Settings.from_environment({"KAFKA_CONFIG_SASL_PASSWORD": " p\r\n"})
    assert settings.kafka_options.reveal() == {"sasl.password": " p"}


def test_a_file_of_a_secret_that_cant_be_had_is_a_problem_of_its_setting(tmp_path: Path) -> None:
    path = tmp_path / "gone"
    problems = problems_of(
        {
            "KAFKA_CONFIG_SASL_PASSWORD_FILE": str(path),
            "SCHEMA_REGISTRY_URL": "http://r:1",
            "SCHEMA_REGISTRY_URL_FILE": str(path),
        }
    )
    assert problems == (
        f"KAFKA_CONFIG_SASL_PASSWORD: the file {path}, which KAFKA_CONFIG_SASL_PASSWORD_FILE "
        "names, can't be read (No such file or directory), make it readable for the engine, or "
        "correct the path",
        "SCHEMA_REGISTRY_URL: SCHEMA_REGISTRY_URL and SCHEMA_REGISTRY_URL_FILE are both set, "
        "unset one of them",
    )


@pytest.mark.parametrize("name", ["", "PRIVATE_KEY_", "JWT_TEMPLATE_"])
def test_an_option_of_librdkafka_that_names_a_file_stays_one(name: str) -> None:
    option = f"sasl.oauthbearer.assertion.{name.lower().replace('_', '.')}file"
    variable = f"KAFKA_CONFIG_{option.upper().replace('.', '_')}"
    assert Settings.from_environment({variable: "/x"}).kafka_options.reveal() == {option: "/x"}
    Consumer({"group.id": "g", option: "/x"}).close()


def test_all_problems_are_told_at_once() -> None:
    problems = problems_of(
        {
            "KAFKA_BOOTSTRAP_SERVERS": "kafka",
            "KAFKA_TOPIC": "no spaces",
            "SCHEMA_REGISTRY_URL": "registry:8081",
            "AUTO_OFFSET_RESET": "earlist",
            "ENABLE_DLQ": "maybe",
            "EVENT_TIMEZONE": "Mars/Olympus",
            "MAX_ALERT_AGE": "0",
            "MAX_RETRIES": "-1",
            "METRICS_PORT": "70000",
            "KAFKA_CONFIG_ENABLE_AUTO_COMMIT": "true",
            "STATE_URL": "alerts.db",
        }
    )
    assert [problem.split(":")[0] for problem in problems] == [
        "AUTO_OFFSET_RESET",
        "ENABLE_DLQ",
        "EVENT_TIMEZONE",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_CONFIG_ENABLE_AUTO_COMMIT",
        "KAFKA_TOPIC",
        "MAX_ALERT_AGE",
        "MAX_RETRIES",
        "METRICS_PORT",
        "SCHEMA_REGISTRY_URL",
        "STATE_URL",
    ]
    assert "did you mean earliest" in problems[0]


def test_two_different_rule_paths_contradict() -> None:
    assert problems_of({"RULES_PATH": "a", "RULES_CONFIG_PATH": "b"}) == (
        "RULES_PATH: a differs from RULES_CONFIG_PATH, which is b: let one of them be empty",
    )
    # As in the image, whose variables can only be emptied.
    assert Settings.from_environment(
        {"RULES_PATH": "a", "RULES_CONFIG_PATH": " "}
    ).rules_path == Path("a")


def test_reading_the_dead_letter_topic_as_events_is_refused() -> None:
    assert "dead letters" in problems_of({"KAFKA_TOPIC": "alpr.dlq"})[0]


@pytest.mark.parametrize("topics", ["", "plates"])
def test_an_empty_dead_letter_topic_is_the_default_one(topics: str) -> None:
    settings = Settings.from_environment({"DLQ_TOPIC": "", "KAFKA_TOPIC": topics})
    assert settings.dlq_topic == "alpr.dlq"
    assert "dead letters" in problems_of({"DLQ_TOPIC": "", "KAFKA_TOPIC": "alpr.dlq"})[0]


@pytest.mark.parametrize(
    ("name", "longest", "too_long"),
    [
        ("HOLD_SECONDS", "18250d", "18251d"),
        ("RETENTION", "18250d", "9" * 400),
        ("MAX_ALERT_AGE", "18250d", "9" * 30),
        ("RETRY_DELAY_BASE", "1h", "61m"),
        ("CLAIM_SECONDS", "1h", "61m"),
    ],
)
def test_durations_that_no_clock_can_hold_are_refused(
    name: str, longest: str, too_long: str
) -> None:
    Settings.from_environment({name: longest})
    assert "too long" in problems_of({name: too_long})[0]


def test_a_claim_that_would_end_while_it_is_renewed_is_refused() -> None:
    assert Settings.from_environment({"CLAIM_SECONDS": "15"}).claim_seconds == 15.0
    assert "at least 5 seconds" in problems_of({"CLAIM_SECONDS": "4s"})[0]


@pytest.mark.parametrize("port", ["²", "9" * 5_000, "0"])
def test_a_port_that_is_no_number_is_told(port: str) -> None:
    assert "is not host:port" in problems_of({"KAFKA_BOOTSTRAP_SERVERS": f"kafka:{port}"})[0]


def test_a_text_that_is_not_utf_8_is_told() -> None:
    assert problems_of({"KAFKA_GROUP_ID": "\udcff"}) == ("KAFKA_GROUP_ID: is not UTF-8",)


def test_a_store_that_is_not_supported_is_told_without_its_password() -> None:
    (problem,) = problems_of({"STATE_URL": "mysql://engine:hush@db/alerts"})
    assert "sqlite:///" in problem
    assert "postgresql://" in problem
    assert "hush" not in problem


def test_no_secret_is_printed() -> None:
    settings = Settings.from_environment(
        {
            "KAFKA_CONFIG_SASL_PASSWORD": "hush1",
            "SCHEMA_REGISTRY_URL": "http://user:hush2@registry:8081",
            "SMTP_PASSWORD": "hush3",
            "STATE_URL": "postgresql://engine:hush4@db/alerts",
            "STATE_PASSWORD": "hush5",
        }
    )
    assert "hush" not in repr(settings)
    assert str(Secret("hush")) == f"{Secret('hush')}" == "***"
    assert settings.variables.reveal()["SMTP_PASSWORD"] == "hush3"
    assert settings.state_password.reveal() == "hush5"


def test_what_else_is_wrong_is_told_beside_what_is_malformed() -> None:
    def further(settings: Settings) -> list[str]:
        return [f"DLQ_TOPIC: {settings.dlq_topic} and {settings.max_retries}"]

    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"MAX_RETRIES": "many", "DLQ_TOPIC": "dead"}, further)
    assert caught.value.problems == (
        "DLQ_TOPIC: dead and 3",
        "MAX_RETRIES: 'many' is not a whole number from 0 to 20",
    )


@pytest.mark.parametrize(
    ("text", "size_bytes", "age_seconds"),
    [
        ("100MB,7d", 100_000_000, 604_800.0),
        ("12h, 1.5 GB", 1_500_000_000, 43_200.0),
        ("500kb", 500_000, Keep().age_seconds),
        ("90m", Keep().size_bytes, 5_400.0),
    ],
)
def test_dead_letters_are_kept_by_size_and_age(
    text: str, size_bytes: int, age_seconds: float
) -> None:
    found = Settings.from_environment({"DLQ_KEEP": text}).dlq_keep
    assert found == Keep(size_bytes, age_seconds)


@pytest.mark.parametrize(
    "text", ["100", "100MB,1GB", "7d,30d", "0MB", "0d", "much", "1TB", ",", "-1MB"]
)
def test_what_is_neither_one_size_nor_one_age_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="DLQ_KEEP: "):
        Settings.from_environment({"DLQ_KEEP": text})
