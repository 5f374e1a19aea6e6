"""What a registry answers by mistake costs no event, and what it never answers holds up nobody."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from engine.dead_letters.producer import DeadLetterProducer, DeadLetterRefused
from engine.demo.street import EventPublisher
from engine.errors import DecodeError, RegistryUnavailableError
from engine.settings import Secret
from engine.stream.decoder import Decoder
from engine.stream.record import Record
from engine.stream.registry import (
    ANEW_SECONDS,
    EMPTY_SECONDS,
    MAX_CALLS,
    MISFIT_SECONDS,
    RECHECK_SECONDS,
    UNKNOWN_SECONDS,
    SchemaRegistry,
    UnknownSchemaError,
    WriterSchema,
)
from engine.stream.registry_call import (
    DEADLINE_SECONDS,
    MAX_ANSWER_BYTES,
    RegistryCall,
    answer_within,
)
from tests.support.avro import PLATE_EVENT, body, plate_schema
from tests.support.odd_registry import Oddity, OddRegistry
from tests.support.sightings import sighting
from tests.support.stream import stream_settings
from tests.unit.dead_letters.test_producer import letter
from tests.unit.stream.test_registry import ANSWER_SECONDS, QUICK, SCHEMA, Timer, ask, insist

pytestmark = pytest.mark.waits

NOON: Final = datetime(2025, 12, 25, 12, tzinfo=UTC)
EVENT: Final = sighting("ABC123", NOON, event_id="e-1")
SHIPPED: Final = PLATE_EVENT.read_text(encoding="utf-8")
#: Answers that say nothing about a schema: the registry is waited for.
NONSENSE: Final = (
    Oddity.PAGE_NOT_FOUND,
    Oddity.GATEWAY_ERROR,
    Oddity.LOGIN_PAGE,
    Oddity.REDIRECT,
    Oddity.EMPTY,
    Oddity.NO_CONTENT,
    Oddity.NOT_JSON,
    Oddity.A_LIST,
    Oddity.WITHOUT_SCHEMA,
    Oddity.BLANK_SCHEMA,
    Oddity.CUT_SHORT,
    Oddity.FORBIDDEN,
)
SLOW: Final = (
    Oddity.MUTE,
    Oddity.DRIPPING_HEADER,
    Oddity.DRIPPING_BODY,
    Oddity.DRIPPING_ERROR,
    Oddity.DRIPPING_HANDSHAKE,
)
#: Schemas that are none for plate events.
WRONG: Final = (Oddity.OTHER_SCHEMA, Oddity.NO_AVRO_SCHEMA, Oddity.PROTOBUF)


@pytest.fixture
def server() -> Iterator[OddRegistry]:
    with OddRegistry() as running:
        running.register("any", '"int"')
        yield running
        running.oddity = None


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def registry(server: OddRegistry, timer: Timer) -> Iterator[SchemaRegistry]:
    opened = SchemaRegistry(server.url, QUICK, timer=timer, patience_seconds=ANSWER_SECONDS)
    yield opened
    opened.close()


def is_about_a_schema(path: str) -> bool:
    return path.startswith("/schemas/")


@pytest.mark.parametrize("oddity", NONSENSE)
def test_nonsense_is_never_believed_and_costs_nothing(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer, oddity: Oddity
) -> None:
    schema_id = server.register("t-value", SCHEMA)
    server.oddity = oddity
    for _ in range(3):
        with pytest.raises(RegistryUnavailableError):
            ask(registry, timer, schema_id)
        timer.now += UNKNOWN_SECONDS
    server.oddity = None
    assert ask(registry, timer, schema_id).text == SCHEMA


@pytest.mark.parametrize("oddity", [Oddity.NO_SCHEMA_YET, Oddity.NO_SUBJECT_YET])
def test_a_registry_that_starts_costs_nothing(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer, oddity: Oddity
) -> None:
    schema_id = server.register("t-value", SCHEMA)
    server.oddity, server.is_odd = oddity, is_about_a_schema
    insist(registry, timer, schema_id, 58.0)
    server.oddity = None
    assert registry.writer_schema(schema_id).text == SCHEMA


@pytest.fixture
def empty() -> Iterator[OddRegistry]:
    """One that has no schema at all."""
    with OddRegistry() as running:
        yield running
        running.oddity = None


@pytest.fixture
def asked_empty(empty: OddRegistry, timer: Timer) -> Iterator[SchemaRegistry]:
    opened = SchemaRegistry(empty.url, QUICK, timer=timer, patience_seconds=ANSWER_SECONDS)
    yield opened
    opened.close()


def test_a_registry_that_has_nothing_at_all_is_believed_after_ten_minutes(
    asked_empty: SchemaRegistry, timer: Timer
) -> None:
    insist(asked_empty, timer, 5, EMPTY_SECONDS)
    with pytest.raises(UnknownSchemaError, match="no schema of the id 5, nor names another"):
        asked_empty.writer_schema(5)


def test_a_registry_that_has_nothing_yet_costs_nothing(
    empty: OddRegistry, asked_empty: SchemaRegistry, timer: Timer
) -> None:
    insist(asked_empty, timer, 5, EMPTY_SECONDS - RECHECK_SECONDS)
    schema_id = empty.register("t-value", SCHEMA)
    assert ask(asked_empty, timer, schema_id).text == SCHEMA


@pytest.mark.slow
def test_a_registry_that_has_nothing_and_goes_away_is_given_its_ten_minutes_anew(
    empty: OddRegistry, asked_empty: SchemaRegistry, timer: Timer
) -> None:
    insist(asked_empty, timer, 5, EMPTY_SECONDS - RECHECK_SECONDS)
    empty.oddity = Oddity.GATEWAY_ERROR
    with pytest.raises(RegistryUnavailableError):
        asked_empty.writer_schema(5)
    empty.oddity = None
    with pytest.raises(RegistryUnavailableError):
        ask(asked_empty, timer, 5)
    timer.now += RECHECK_SECONDS
    insist(asked_empty, timer, 5, EMPTY_SECONDS - RECHECK_SECONDS)
    with pytest.raises(UnknownSchemaError):
        asked_empty.writer_schema(5)


def test_a_registry_that_has_read_its_topic_at_last_has_a_minute_from_then(
    empty: OddRegistry, asked_empty: SchemaRegistry, timer: Timer
) -> None:
    insist(asked_empty, timer, 5, EMPTY_SECONDS / 2)
    empty.register("t-value", SCHEMA)
    insist(asked_empty, timer, 5, UNKNOWN_SECONDS)
    # What it said of its subjects was remembered for some seconds.
    timer.now += DEADLINE_SECONDS
    with pytest.raises(UnknownSchemaError, match=r"knows no schema of the id 5$"):
        asked_empty.writer_schema(5)


def test_a_registry_whose_schemas_were_all_deleted_has_read_its_topic(
    empty: OddRegistry, asked_empty: SchemaRegistry, timer: Timer
) -> None:
    # It lists deleted subjects only to those who ask for them.
    empty.deleted.append("t-value")
    insist(asked_empty, timer, 5, UNKNOWN_SECONDS)
    with pytest.raises(UnknownSchemaError, match=r"knows no schema of the id 5$"):
        asked_empty.writer_schema(5)


@pytest.mark.parametrize("oddity", [Oddity.PAGE_NOT_FOUND, Oddity.NO_SUBJECT_YET])
def test_a_registry_that_lists_no_subjects_at_all_is_believed_after_ten_minutes(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer, oddity: Oddity
) -> None:
    # A gateway lets nothing through but schemas.
    server.oddity, server.is_odd = oddity, lambda path: path.startswith("/subjects")
    insist(registry, timer, 5, EMPTY_SECONDS)
    with pytest.raises(UnknownSchemaError):
        registry.writer_schema(5)


def test_a_registry_that_answers_nothing_else_is_not_believed(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer
) -> None:
    server.oddity = Oddity.NO_SCHEMA_YET
    for _ in range(3):
        with pytest.raises(RegistryUnavailableError, match="nor does it say what else it holds"):
            ask(registry, timer, 5)
        timer.now += EMPTY_SECONDS


def test_who_may_not_list_the_subjects_still_learns_what_is_unknown(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer
) -> None:
    server.oddity, server.is_odd = Oddity.FORBIDDEN, lambda path: path.startswith("/subjects")
    insist(registry, timer, 5, UNKNOWN_SECONDS)
    with pytest.raises(UnknownSchemaError):
        registry.writer_schema(5)


def test_an_outage_begins_the_minute_anew(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer
) -> None:
    insist(registry, timer, 5, UNKNOWN_SECONDS - RECHECK_SECONDS)
    server.oddity = Oddity.GATEWAY_ERROR
    with pytest.raises(RegistryUnavailableError):
        registry.writer_schema(5)
    server.oddity = None
    with pytest.raises(RegistryUnavailableError):
        ask(registry, timer, 5)
    timer.now += RECHECK_SECONDS
    insist(registry, timer, 5, UNKNOWN_SECONDS - RECHECK_SECONDS)
    with pytest.raises(UnknownSchemaError):
        registry.writer_schema(5)


@pytest.mark.parametrize("oddity", [Oddity.ENDLESS_BODY, Oddity.ENDLESS_CHUNKS])
def test_an_endless_answer_is_not_read_to_its_end(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer, oddity: Oddity
) -> None:
    schema_id = server.register("t-value", SCHEMA)
    server.oddity = oddity
    with pytest.raises(RegistryUnavailableError, match=f"longer than {MAX_ANSWER_BYTES} bytes"):
        registry.writer_schema(schema_id)
    server.oddity = None
    assert ask(registry, timer, schema_id).text == SCHEMA


def slow_call(
    server: OddRegistry, registry: SchemaRegistry, schema_id: int
) -> RegistryCall[WriterSchema | DecodeError | RegistryUnavailableError]:
    """The call that does not come back, when the registry has got it."""
    registry._patience_seconds = 0.0
    with pytest.raises(RegistryUnavailableError, match="has not answered yet"):
        registry.writer_schema(schema_id)
    assert server.begun.wait(ANSWER_SECONDS)
    return registry._asked[schema_id].call


@pytest.mark.parametrize("oddity", SLOW)
def test_a_slow_answer_is_given_up_wholly(
    server: OddRegistry, timer: Timer, oddity: Oddity
) -> None:
    schema_id = server.register("t-value", SCHEMA)
    server.oddity = oddity
    is_tls = oddity is Oddity.DRIPPING_HANDSHAKE
    url = server.url.replace("http://", "https://") if is_tls else server.url
    # Longer than the test: only the deadline ends it.
    options: dict[str, str | int | float] = {**QUICK, "timeout": 600.0, "max.retries": 0}
    registry = SchemaRegistry(url, options, timer=timer)
    call = slow_call(server, registry, schema_id)
    timer.now += DEADLINE_SECONDS - 0.1
    with pytest.raises(RegistryUnavailableError, match="has not answered yet"):
        registry.writer_schema(schema_id)
    assert call.is_running
    timer.now += 0.1
    with pytest.raises(RegistryUnavailableError, match="gave no whole answer within 5 s"):
        registry.writer_schema(schema_id)
    assert call.wait(ANSWER_SECONDS)
    registry.close()


def test_a_slow_server_of_tokens_is_given_up_too(server: OddRegistry, timer: Timer) -> None:
    server.oddity, server.is_odd = Oddity.DRIPPING_BODY, lambda path: path == "/token"
    login = "bearer.auth."
    options: dict[str, str | int | float] = {
        **QUICK,
        f"{login}credentials.source": "OAUTHBEARER",
        f"{login}client.id": "engine",
        f"{login}client.secret": "s3cret",
        f"{login}scope": "schemas",
        f"{login}logical.cluster": "lsrc-1",
        f"{login}issuer.endpoint.url": f"{server.url}/token",
    }
    registry = SchemaRegistry(server.url, options, timer=timer)
    schema_id = server.register("t-value", SCHEMA)
    call = slow_call(server, registry, schema_id)
    timer.now += DEADLINE_SECONDS
    with pytest.raises(RegistryUnavailableError, match="gave no whole answer within 5 s"):
        registry.writer_schema(schema_id)
    assert call.wait(ANSWER_SECONDS)
    registry.close()


def test_a_registry_that_answers_again_is_asked_again(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer
) -> None:
    schema_id = server.register("t-value", SCHEMA)
    server.oddity = Oddity.DRIPPING_BODY
    slow_call(server, registry, schema_id)
    server.oddity = None
    timer.now += DEADLINE_SECONDS
    with pytest.raises(RegistryUnavailableError):
        registry.writer_schema(schema_id)
    assert ask(registry, timer, schema_id).text == SCHEMA


def test_other_schemas_are_answered_while_one_drips(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer
) -> None:
    slow, quick = server.register("t-value", SCHEMA), server.register("u-value", '"long"')
    server.oddity, server.is_odd = Oddity.DRIPPING_BODY, lambda path: path.endswith(f"/{slow}")
    slow_call(server, registry, slow)
    assert ask(registry, timer, quick).text == '"long"'
    assert slow in registry._asked


def test_a_flood_of_ids_takes_no_more_than_so_many_calls_at_a_time(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer
) -> None:
    server.oddity = Oddity.DRIPPING_BODY
    registry._patience_seconds = 0.0
    for schema_id in range(1000):
        with pytest.raises(RegistryUnavailableError):
            registry.writer_schema(schema_id)
    assert len(registry._asked) == MAX_CALLS


def test_closing_ends_what_drips(
    server: OddRegistry, registry: SchemaRegistry, timer: Timer
) -> None:
    server.oddity = Oddity.DRIPPING_HEADER
    call = slow_call(server, registry, 5)
    registry.close()
    assert call.wait(ANSWER_SECONDS)


@pytest.mark.parametrize("url", ["https://127.0.0.1:{port}", "http://no-such-host.invalid:{port}"])
def test_a_registry_that_can_not_be_talked_to_is_away(server: OddRegistry, url: str) -> None:
    address = url.format(port=server.url.rpartition(":")[2])
    registry = SchemaRegistry(address, QUICK, patience_seconds=ANSWER_SECONDS)
    with pytest.raises(RegistryUnavailableError, match=r"can't be reached.*ConnectError"):
        registry.writer_schema(1)
    registry.close()


class Reading:
    """A decoder on the odd registry, and records of events."""

    def __init__(self, server: OddRegistry, registry: SchemaRegistry, timer: Timer) -> None:
        self.registry, self.timer = registry, timer
        self.decoder = Decoder(plate_schema(), registry, UTC)
        self.schema_id = server.register("plates-value", SHIPPED)
        self.good = self.record(body(EVENT))
        self.cut = self.record(body(EVENT)[:-3])

    def record(self, content: bytes) -> Record:
        """A record of the schema, that holds this."""
        value = b"\0" + self.schema_id.to_bytes(4, "big") + content
        return Record("t", 0, 0, int(NOON.timestamp() * 1000), None, value, (), 0.0)

    def waits(self, record: Record, seconds: float) -> None:
        """Decoded again and again for so long, the record is neither an event nor a misfit."""
        until = self.timer.now + seconds
        while self.timer.now < until:
            with pytest.raises(RegistryUnavailableError):
                self.decoder.decode(record)
            self.timer.now += RECHECK_SECONDS


@pytest.fixture
def reading(server: OddRegistry, registry: SchemaRegistry, timer: Timer) -> Reading:
    return Reading(server, registry, timer)


@pytest.mark.parametrize("oddity", WRONG)
def test_a_wrong_schema_for_some_seconds_costs_no_event(
    server: OddRegistry, reading: Reading, oddity: Oddity
) -> None:
    server.oddity, server.is_odd = oddity, is_about_a_schema
    reading.waits(reading.good, 6.0)
    server.oddity = None
    # The first look finds that the answer has changed.
    with contextlib.suppress(RegistryUnavailableError):
        reading.decoder.decode(reading.good)
    assert reading.decoder.decode(reading.good).values == EVENT


@pytest.mark.parametrize("oddity", WRONG)
def test_a_wrong_schema_is_believed_at_last_and_asked_for_again_a_minute_later(
    server: OddRegistry, reading: Reading, timer: Timer, oddity: Oddity
) -> None:
    server.oddity, server.is_odd = oddity, is_about_a_schema
    reading.waits(reading.good, MISFIT_SECONDS)
    asked = len(server.requests)
    for _ in range(100):
        with pytest.raises(DecodeError):
            reading.decoder.decode(reading.good)
    assert len(server.requests) == asked + 1
    server.oddity = None
    timer.now += ANEW_SECONDS
    with contextlib.suppress(RegistryUnavailableError):
        reading.decoder.decode(reading.good)
    assert reading.decoder.decode(reading.good).values == EVENT
    assert len(server.requests) == asked + 2


def test_a_flood_of_misfits_has_the_schema_asked_for_once_a_minute(
    server: OddRegistry, reading: Reading, timer: Timer
) -> None:
    reading.decoder.decode(reading.good)
    asked = len(server.requests)
    for _ in range(100):
        with pytest.raises(DecodeError, match=f"written with schema {reading.schema_id}"):
            reading.decoder.decode(reading.cut)
    assert len(server.requests) == asked + 1
    timer.now += ANEW_SECONDS
    for _ in range(100):
        with pytest.raises(DecodeError):
            reading.decoder.decode(reading.cut)
    assert len(server.requests) == asked + 2


@pytest.mark.parametrize("oddity", [*NONSENSE, *WRONG, Oddity.NO_SCHEMA_YET])
def test_a_misfit_of_a_schema_that_others_fit_needs_no_registry(
    server: OddRegistry, reading: Reading, oddity: Oddity
) -> None:
    reading.decoder.decode(reading.good)
    server.oddity = oddity
    with pytest.raises(DecodeError, match=f"written with schema {reading.schema_id}"):
        reading.decoder.decode(reading.cut)
    assert reading.decoder.decode(reading.good).values == EVENT


def test_an_id_that_names_another_schema_by_now_is_read_with_that(
    server: OddRegistry, reading: Reading
) -> None:
    # The registry was restored from elsewhere: what is written since is of its new schema.
    reading.decoder.decode(reading.good)
    wider = SHIPPED.replace(
        '"name": "event_id"', '"name": "extra", "type": "long"}, {"name": "event_id"', 1
    )
    entry = server._schemas.by_id[reading.schema_id]
    server._schemas.by_id[reading.schema_id] = {**entry, "schema": wider}
    newer = reading.record(body({**EVENT, "extra": 2**40}, wider))
    assert reading.decoder.decode(newer).values == EVENT


@pytest.mark.parametrize("oddity", [Oddity.DRIPPING_BODY, Oddity.DRIPPING_HEADER, Oddity.MUTE])
def test_dead_letters_are_handed_back_when_the_registry_gives_no_whole_answer(
    server: OddRegistry, repository: Path, oddity: Oddity
) -> None:
    timer = Timer()

    def hurried() -> float:
        # Each look at the clock is a second later.
        timer.now += 1.0
        return timer.now

    server.oddity = oddity
    settings = dataclasses.replace(
        stream_settings("localhost:1", ["t"]),
        schema_registry_url=Secret(server.url),
        schemas_path=repository / "schemas",
    )
    producer = DeadLetterProducer(settings, timer=hurried)
    with pytest.raises(DeadLetterRefused, match="gave no whole answer within 5 s"):
        producer.publish([letter()])
    assert timer.now < 100.0 + 2 * DEADLINE_SECONDS
    producer.close()


def test_dead_letters_do_not_hold_up_the_end(server: OddRegistry, repository: Path) -> None:
    server.oddity = Oddity.DRIPPING_BODY
    settings = dataclasses.replace(
        stream_settings("localhost:1", ["t"]),
        schema_registry_url=Secret(server.url),
        schemas_path=repository / "schemas",
    )
    producer = DeadLetterProducer(settings, timer=Timer())
    with pytest.raises(DeadLetterRefused):
        producer.publish([letter()], is_over=server.begun.is_set)
    producer.close()


def test_a_call_has_its_deadline_for_commands_too(server: OddRegistry) -> None:
    server.oddity = Oddity.DRIPPING_BODY
    with pytest.raises(RegistryUnavailableError, match="gave no whole answer"):
        answer_within(0.0, lambda: server.begun.wait(ANSWER_SECONDS))
    with EventPublisher("localhost:1", server.url, SHIPPED, "t") as publisher:
        server.oddity = Oddity.ENDLESS_BODY
        with pytest.raises(RegistryUnavailableError, match="longer than"):
            publisher.encode(EVENT)
