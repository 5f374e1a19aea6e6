"""Puts the options of the Kafka clients together: the engine's, then the user's, then the owned."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaException, Producer

from engine.errors import SettingsError
from engine.settings import Secret, Settings

SESSION_TIMEOUT_MS: Final = 6_000


class ClientLog:
    """The `logger` of a Kafka client; librdkafka's lines arrive within `poll`."""

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Log a line of librdkafka; `level` is a level of `logging`.

        Debug lines are logged as information: who sets librdkafka's `debug` option wants to see
        them without `LOG_LEVEL=debug`.
        """
        event = text % arguments if arguments else text
        log.log(min(max(level, logging.INFO), logging.CRITICAL), event)


log = structlog.get_logger(__name__)

# The engine logs what happens itself, once; librdkafka's own lines repeat for as long as a broker
# is away. Only its critical ones (log_level 2) are left.
_CLIENT: Final[Mapping[str, Any]] = {
    "client.id": "alpr-alert-engine",
    "logger": ClientLog(),
    "log_level": 2,
    "reconnect.backoff.max.ms": 2_000,
}
#: For so long a group waits for a member that was killed while it joined: librdkafka's 5 min are
#: too long. The loop polls while it waits for a store or a registry.
POLL_INTERVAL_MS: Final = 60_000
_CONSUMER: Final[Mapping[str, Any]] = {
    "max.poll.interval.ms": POLL_INTERVAL_MS,
    # A topic that is created later is found within seconds.
    "topic.metadata.refresh.interval.ms": 3_000,
    "allow.auto.create.topics": False,
    # An edge box has little memory: librdkafka would read 64 MB ahead, and 50 MB in one answer.
    # When the queue is full, the fetcher would look again only after 1 s.
    "queued.min.messages": 10_000,
    "queued.max.messages.kbytes": 8_192,
    "fetch.max.bytes": 8 << 20,
    "fetch.queue.backoff.ms": 50,
    # The reports say whether a broker is up, and the lag.
    "statistics.interval.ms": 2_000,
}
_PRODUCER: Final[Mapping[str, Any]] = {
    "enable.idempotence": True,
    "compression.type": "gzip",
    # The broker's and the topic's own limit decides; Base64 makes a record a third longer.
    "message.max.bytes": 100_000_000,
    # Large messages travel alone, so that one that is too large takes no other with it.
    "batch.size": 262_144,
    # A missing topic is reported before the wait for the letters is over.
    "topic.metadata.propagation.max.ms": 10_000,
}
_ACKNOWLEDGED: Final = "a dead letter counts once every replica has it, remove it"
_STATISTICS: Final = "statistics.interval.ms"
_NO_TEXT: Final = "it can't be given as a text, remove it"
#: The options that no other value may take, besides those of `engine/settings.py`.
OWNED_BY_CLIENTS: Final = {
    "acks": _ACKNOWLEDGED,
    "request.required.acks": _ACKNOWLEDGED,
    "transactional.id": "dead letters are sent one by one, remove it",
    "metadata.broker.list": "set KAFKA_BOOTSTRAP_SERVERS instead",
    "default.topic.config": _NO_TEXT,
    "logger": _NO_TEXT,
    "partition.assignment.strategy": "partitions are handed over cooperatively, remove it",
    "enable.partition.eof": "the lag lives by it, remove it",
    "isolation.level": "aborted transactions are never read, remove it",
}
# `KAFKA_CONFIG_LOG_LEVEL` arrives as "log.level": librdkafka's only name with an underscore.
_UNDERSCORED: Final = {"log.level": "log_level"}
_FAILED: Final = re.compile(r"^Failed to create (consumer|producer): ")
_SECRET_OPTION: Final = re.compile(r"password|secret|token|key|pem|credential|config|jaas")


def consumer_options(settings: Settings) -> dict[str, Any]:
    """Returns the options of `confluent_kafka.Consumer`; SettingsError for owned ones."""
    given = _given(settings)
    problems = _owned(given)
    if problems:
        raise SettingsError(tuple(problems.values()))
    options = {**_CLIENT, **_CONSUMER}
    if given.get("group.protocol", "classic").lower() == "classic":
        # With the newer protocol all three belong to the broker.
        session_ms = given.get("session.timeout.ms", str(SESSION_TIMEOUT_MS))
        options["session.timeout.ms"] = session_ms
        if session_ms.isdigit():
            options["heartbeat.interval.ms"] = max(1, int(session_ms) // 3)
            options["max.poll.interval.ms"] = max(POLL_INTERVAL_MS, int(session_ms))
        options["partition.assignment.strategy"] = "cooperative-sticky"
    return {
        **options,
        **given,
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "group.id": settings.kafka_group_id,
        # `offsets.py` goes by AUTO_OFFSET_RESET: librdkafka would skip records that the
        # broker no longer has without a report.
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Reports where a partition ends, behind markers of transactions, which nobody can read.
        "enable.partition.eof": True,
    }


def producer_options(settings: Settings) -> dict[str, Any]:
    """Returns the options of `confluent_kafka.Producer`, which ignores those of consumers."""
    return {
        **_CLIENT,
        **_PRODUCER,
        **_given(settings),
        "bootstrap.servers": settings.kafka_bootstrap_servers,
    }


def check_producer_options(settings: Settings) -> None:
    """SettingsError for options that librdkafka does not take: at the start, not at first use."""
    error = _refusal(Producer, producer_options(settings))
    if error is not None:
        raise refused_options(error, settings)


def _refusal(
    make: Callable[[dict[str, Any]], Any], options: dict[str, Any]
) -> KafkaException | None:
    """Returns the error with which librdkafka refuses a client with these options, if it does."""
    # Without an address it connects to nothing.
    del options["bootstrap.servers"]
    try:
        make(options).close()
    except KafkaException as error:
        return error
    return None


def option_problems(settings: Settings) -> list[str]:
    """Returns the problems of `KAFKA_CONFIG_…`, each with the variable of its option.

    It makes the clients, which shows all that librdkafka refuses; they connect to nothing.
    """
    given = _given(settings)
    owned = _owned(given)
    left = {name: value for name, value in given.items() if name not in owned}
    problems = [*owned.values()]
    if left:
        problems += _refused(Consumer, consumer_options, settings, left)
    if left and settings.enable_dlq:
        problems += _refused(Producer, producer_options, settings, left)
    return list(dict.fromkeys(problems))


def _owned(given: Mapping[str, str]) -> dict[str, str]:
    """Returns the problems of options that the engine owns, by option."""
    problems = {
        name: f"{_variable(name)}: {OWNED_BY_CLIENTS[name]}"
        for name in given
        if name in OWNED_BY_CLIENTS
    }
    if not given.get(_STATISTICS, "1").strip("0"):
        problems[_STATISTICS] = (
            f"{_variable(_STATISTICS)}: /readyz and the lag live by it, remove it"
        )
    return problems


def _refused(
    make: Callable[[dict[str, Any]], Any],
    options_of: Callable[[Settings], dict[str, Any]],
    settings: Settings,
    left: dict[str, str],
) -> list[str]:
    """Returns what a client refuses; the options at fault are removed from `left`.

    librdkafka names one fault at a time, so its option is removed and the rest is tried again.
    """

    def reason_for(given: Mapping[str, str]) -> str:
        error = _refusal(make, options_of(replace(settings, kafka_options=Secret(given))))
        return "" if error is None else _FAILED.sub("", error.args[0].str().strip())

    problems: list[str] = []
    while reason := reason_for(left):
        name = _option_at_fault(reason, left, reason_for)
        variable = "KAFKA_CONFIG_…" if name is None else _variable(name)
        problems.append(f"{variable}: {redact(reason, settings)}")
        if name is None:
            break
        del left[name]
    return problems


def _option_at_fault(
    reason: str, left: Mapping[str, str], reason_for: Callable[[Mapping[str, str]], str]
) -> str | None:
    """Returns the option that a reason is about, by whatever name; None where it may be several."""
    named = [name for name in left if name in reason]
    if named:
        return max(named, key=len)
    without = {name: {each: left[each] for each in left if each != name} for name in left}
    suspects = [name for name in left if reason_for(without[name]) != reason]
    return suspects[0] if len(suspects) == 1 else None


def redact(text: str, settings: Settings) -> str:
    """Returns `text` without the values of secret options, which librdkafka quotes."""
    for name, value in settings.kafka_options.reveal().items():
        if value and _SECRET_OPTION.search(name):
            text = text.replace(value, "***")
    return text


def refused_options(error: KafkaException, settings: Settings) -> SettingsError:
    """Returns why a client could not be made from its options, without their secrets."""
    text = redact(error.args[0].str().strip(), settings)
    return SettingsError((f"KAFKA_CONFIG_…: {text}",))


def _given(settings: Settings) -> dict[str, str]:
    options = settings.kafka_options.reveal()
    return {_UNDERSCORED.get(name, name): value for name, value in options.items()}


def _variable(option: str) -> str:
    return "KAFKA_CONFIG_" + option.upper().replace(".", "_")
