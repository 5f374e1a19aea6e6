"""The options of our Kafka clients: librdkafka's own, ours, then the user's."""

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
    """The `logger` of a Kafka client, which calls it in `poll`, never from a thread of its own."""

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Log a line of librdkafka, whose level is of `logging`.

        What its `debug` option asks for is shown without `LOG_LEVEL=debug` too: it is off by
        default.
        """
        event = text % arguments if arguments else text
        log.log(min(max(level, logging.INFO), logging.CRITICAL), event)


log = structlog.get_logger(__name__)

# Every part that logs goes through structlog: librdkafka's own lines would repeat for as long as a
# broker is away. Only what it calls critical is left.
_CLIENT: Final[Mapping[str, Any]] = {
    "client.id": "alpr-alert-engine",
    "logger": ClientLog(),
    "log_level": 2,
    "reconnect.backoff.max.ms": 2_000,
}
_CONSUMER: Final[Mapping[str, Any]] = {
    "max.poll.interval.ms": 300_000,
    # A topic that is made later is found within seconds.
    "topic.metadata.refresh.interval.ms": 3_000,
    "allow.auto.create.topics": False,
    # An edge box has little memory: at most these are read ahead (librdkafka: 64 MB, and 50 MB
    # for one answer). When they are full the fetcher looks again after 1 s unless told otherwise.
    "queued.min.messages": 10_000,
    "queued.max.messages.kbytes": 8_192,
    "fetch.max.bytes": 8 << 20,
    "fetch.queue.backoff.ms": 50,
    # Tell whether a broker is up, and the lag.
    "statistics.interval.ms": 2_000,
}
_PRODUCER: Final[Mapping[str, Any]] = {
    "enable.idempotence": True,
    "compression.type": "gzip",
    # The broker's and the topic's own limit decides; Base64 makes a record a third longer.
    "message.max.bytes": 100_000_000,
    # Large messages travel alone, so that one that is too large takes no other with it.
    "batch.size": 262_144,
    # A topic that is not there is told before the letters' wait is over.
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
# `KAFKA_CONFIG_LOG_LEVEL` arrives with a dot; these are librdkafka's only names with a line below.
_UNDERSCORED: Final = {"log.level": "log_level"}
_FAILED: Final = re.compile(r"^Failed to create (consumer|producer): ")
_SECRET_OPTION: Final = re.compile(r"password|secret|token|key|pem|credential|config|jaas")


def consumer_options(settings: Settings) -> dict[str, Any]:
    """What `confluent_kafka.Consumer` takes; SettingsError for options that the engine owns."""
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
        options["partition.assignment.strategy"] = "cooperative-sticky"
    return {
        **options,
        **given,
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "group.id": settings.kafka_group_id,
        # The consumer goes by AUTO_OFFSET_RESET itself: librdkafka would skip what the broker no
        # longer has without a word.
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Says where a partition ends, behind what a transaction leaves there and nobody can read.
        "enable.partition.eof": True,
    }


def producer_options(settings: Settings) -> dict[str, Any]:
    """What `confluent_kafka.Producer` takes; a consumer's options are left to it, it skips them."""
    return {
        **_CLIENT,
        **_PRODUCER,
        **_given(settings),
        "bootstrap.servers": settings.kafka_bootstrap_servers,
    }


def check_producer_options(settings: Settings) -> None:
    """SettingsError for options that librdkafka does not take: at the start, not with a letter."""
    error = _refusal(Producer, producer_options(settings))
    if error is not None:
        raise refused_options(error, settings)


def _refusal(
    make: Callable[[dict[str, Any]], Any], options: dict[str, Any]
) -> KafkaException | None:
    """What librdkafka says against a client with these options."""
    # Without an address nothing is connected to.
    del options["bootstrap.servers"]
    try:
        make(options).close()
    except KafkaException as error:
        return error
    return None


def option_problems(settings: Settings) -> list[str]:
    """What is wrong with `KAFKA_CONFIG_…`, each option by its variable.

    The clients are made, which finds whatever librdkafka refuses, but connect to nothing.
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
    """The problems of options that the engine owns, by their names."""
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
    """What a client refuses: one reason at a time, whose option is then taken out of `left`."""

    def reason_for(given: Mapping[str, str]) -> str:
        error = _refusal(make, options_of(replace(settings, kafka_options=Secret(given))))
        return "" if error is None else _FAILED.sub("", error.args[0].str().strip())

    problems: list[str] = []
    while reason := reason_for(left):
        name = _to_blame(reason, left, reason_for)
        variable = "KAFKA_CONFIG_…" if name is None else _variable(name)
        problems.append(f"{variable}: {redact(reason, settings)}")
        if name is None:
            break
        del left[name]
    return problems


def _to_blame(
    reason: str, left: Mapping[str, str], reason_for: Callable[[Mapping[str, str]], str]
) -> str | None:
    """The option that a reason names, perhaps by another name of it; None for several."""
    named = [name for name in left if name in reason]
    if named:
        return max(named, key=len)
    without = {name: {each: left[each] for each in left if each != name} for name in left}
    suspects = [name for name in left if reason_for(without[name]) != reason]
    return suspects[0] if len(suspects) == 1 else None


def redact(text: str, settings: Settings) -> str:
    """`text` without the values of secret options: librdkafka quotes what it can't use."""
    for name, value in settings.kafka_options.reveal().items():
        if value and _SECRET_OPTION.search(name):
            text = text.replace(value, "***")
    return text


def refused_options(error: KafkaException, settings: Settings) -> SettingsError:
    """Why a client could not be made from its options, for people and without secrets."""
    text = redact(error.args[0].str().strip(), settings)
    return SettingsError((f"KAFKA_CONFIG_…: {text}",))


def _given(settings: Settings) -> dict[str, str]:
    options = settings.kafka_options.reveal()
    return {_UNDERSCORED.get(name, name): value for name, value in options.items()}


def _variable(option: str) -> str:
    return "KAFKA_CONFIG_" + option.upper().replace(".", "_")
