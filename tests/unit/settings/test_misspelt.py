"""Names of settings that are nearly right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.settings import OPTION_PREFIXES, VARIABLES, Misspelt, misspelt_settings

#: Variables of other programs, of shells, of containers and of Kubernetes.
NAMES = """
PATH HOME LANG LC_ALL TZ USER SHELL PWD OLDPWD TERM EDITOR TMPDIR HOSTNAME DISPLAY PYTHONPATH
PYTHONUNBUFFERED VIRTUAL_ENV SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE HTTPS_PROXY NO_PROXY
http_proxy DEBIAN_FRONTEND KAFKA_HOME KAFKA_OPTS KAFKA_HEAP_OPTS KAFKA_LOG4J_OPTS KAFKA_JMX_PORT
KAFKA_JVM_PERFORMANCE_OPTS KAFKA_BROKER_ID KAFKA_NODE_ID KAFKA_LISTENERS KAFKA_ADVERTISED_LISTENERS
KAFKA_ZOOKEEPER_CONNECT KAFKA_LOG_DIRS KAFKA_VERSION KAFKA_PORT KAFKA_SERVICE_HOST KAFKA_TOOLS
KAFKA_CLUSTERS_0_NAME SCHEMA_REGISTRY_HOST_NAME SCHEMA_REGISTRY_LISTENERS SCHEMA_REGISTRY_OPTS
SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS SCHEMA_REGISTRY_SERVICE_HOST SCHEMA_REGISTRY_HOST
LOG_DIR LOG_FILE LOG_PATH LOG_COLOR LOG_LINES DATABASE_URL REDIS_URL STATIC_URL STATUS_URL STATS_URL
SITE_URL
BASE_URL START_URL STATE_DIR STATE_FILE MAX_ENTRIES MAX_RATE MIN_RETRIES MAX_AGE POLL_SECONDS
OLD_SECONDS TTL_SECONDS PATCH_SIZE PAGE_SIZE POOL_SIZE CACHE_SIZE DETENTION ATTENTION METRICS_PATH
METRICS_URL SERVER_PORT METRO_PORT ALERT_ENGINE_PORT ALERT_ENGINE_SERVICE_HOST
ALERT_ENGINE_PORT_8003_TCP ALERT_ENGINE_PORT_8003_TCP_ADDR ALERT_ENGINE_IMAGE SLACK_WEBHOOK_URL
SMTP_PASSWORD WEBHOOK_TOKEN TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN PYTHON_IMAGE CONNECT_GROUP_ID
CONNECT_CONFIG_STORAGE_TOPIC CONFIG_PATH TIMEZONE ENABLE_TLS ENABLE_DOCS SCHEMA_PATTERN GIT_PAGER
"""
FOREIGN = NAMES.split()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KAFKA_TOPICS", "KAFKA_TOPIC"),
        ("MAX_RETRY", "MAX_RETRIES"),
        ("SCHEMA_REGISTY_URL", "SCHEMA_REGISTRY_URL"),
        ("RULE_PATH", "RULES_PATH"),
        ("RULES_PATHS", "RULES_PATH"),
        ("RULE_CONFIG_PATH", "RULES_CONFIG_PATH"),
        ("SCHEMA_PATH", "SCHEMAS_PATH"),
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
        ("KAFKA_BOOTSRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"),
        ("KAKFA_TOPIC", "KAFKA_TOPIC"),
        ("KAFKA_GROUPID", "KAFKA_GROUP_ID"),
        ("EVENT_TIME_ZONE", "EVENT_TIMEZONE"),
        ("EVENT_TIMEZOME", "EVENT_TIMEZONE"),
        ("SCHEMA_REGISRTY_URLS", "SCHEMA_REGISTRY_URL"),
        ("HOLD_SECOND", "HOLD_SECONDS"),
        ("RETENSION", "RETENTION"),
        ("LOG_FROMAT", "LOG_FORMAT"),
        ("BATCHSIZE", "BATCH_SIZE"),
        ("METRIC_PORT", "METRICS_PORT"),
        ("AUTO_OFFSETS_RESET", "AUTO_OFFSET_RESET"),
        ("kafka_topic", "KAFKA_TOPIC"),
        ("Kafka-Topic", "KAFKA_TOPIC"),
        ("KAFKA__TOPIC", "KAFKA_TOPIC"),
        ("ALERT_ENGINE_KAFKA_TOPIC", "KAFKA_TOPIC"),
        ("ALERT_ENGINE_MAX_RETRY", "MAX_RETRIES"),
        ("KAFKA_CONFGI_SASL_PASSWORD", "KAFKA_CONFIG_SASL_PASSWORD"),
        ("KAFKA_CONFIGS_SASL_PASSWORD", "KAFKA_CONFIG_SASL_PASSWORD"),
        ("kafka_config_sasl_password", "KAFKA_CONFIG_SASL_PASSWORD"),
        (
            "SCHEMA_REGISTY_CONFIG_BASIC_AUTH_USER_INFO",
            "SCHEMA_REGISTRY_CONFIG_BASIC_AUTH_USER_INFO",
        ),
    ],
)
def test_a_misspelt_setting_is_told_with_the_name_that_was_meant(name: str, meant: str) -> None:
    assert misspelt_settings({name: "x"}) == [Misspelt(name, meant)]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_variable_of_another_program_is_not_told(name: str) -> None:
    assert misspelt_settings({name: "x"}) == []


def test_a_setting_is_never_told_of() -> None:
    options = {f"{prefix}SASL_USERNAME": "x" for prefix in OPTION_PREFIXES.values()}
    assert misspelt_settings({**dict.fromkeys(VARIABLES, "x"), **options}) == []


@pytest.mark.parametrize("name", VARIABLES)
def test_one_letter_too_few_in_a_long_word_is_told(name: str) -> None:
    word = max(name.split("_"), key=len)
    misspelt = name.replace(word, f"{word[:2]}{word[3:]}")
    found = misspelt_settings({misspelt: "x"})
    assert [each.meant for each in found] == ([name] if len(word) >= 5 else [])


def test_the_file_of_a_setting_is_told_by_the_file_of_the_setting_that_is_meant() -> None:
    found = misspelt_settings({"SCHEMA_REGISTY_URL_FILE": "x", "STATE_URL_FILE": "y"})
    assert found == [Misspelt("SCHEMA_REGISTY_URL_FILE", "SCHEMA_REGISTRY_URL_FILE")]


def test_an_empty_variable_counts_as_unset() -> None:
    assert misspelt_settings({"KAFKA_TOPICS": " "}) == []


def test_all_are_told_in_order_without_their_values() -> None:
    found = misspelt_settings({"RULE_PATH": "a secret", "MAX_RETRY": "5", "PATH": "/bin"})
    assert [each.name for each in found] == ["MAX_RETRY", "RULE_PATH"]
    assert "secret" not in repr(found)


def test_what_the_compose_files_read_is_not_told(repository: Path) -> None:
    example = (repository / ".env.example").read_text()
    names = re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE)
    assert names
    assert misspelt_settings(dict.fromkeys(names, "x")) == []
