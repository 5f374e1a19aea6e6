"""Tests of sending dead letters: acknowledged one and all, or handed back."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from engine.dead_letters.producer import DeadLetterProducer, DeadLetterRefused, recover
from engine.demo.registry_server import RegistryServer
from engine.errors import SchemaError
from engine.settings import Secret, Settings
from engine.stream.consumer import Consumer
from engine.stream.record import DeadLetter, DeadLetterType, Record
from engine.stream.registry import ANEW_SECONDS
from tests.support.dlq_schema import schema_without
from tests.support.kafka import Broker
from tests.support.mock_cluster import PRODUCE, MockCluster
from tests.support.odd_registry import WRONG_ID, Oddity, OddRegistry
from tests.support.patience import PATIENCE_SECONDS
from tests.support.stream import read, stream_settings, unique
from tests.unit.stream.test_registry import Timer

pytestmark = pytest.mark.waits

RECORD = Record("plates", 1, 42, 1_766_678_400_123, b"\xffcam", b"\x01\x00\xff", ())
AWKWARD = (
    dataclasses.replace(RECORD, key=None, value=b""),
    dataclasses.replace(RECORD, key=b""),
    dataclasses.replace(
        RECORD, headers=(("h", b"\x00\xff"), ("h", None), ("", b""), ("ünï.1", b"x"))
    ),
    dataclasses.replace(RECORD, value=bytes(range(256)) * 400),
)
ASKED_FOR = "POST /subjects/alpr.dlq-value/versions"

Open = Callable[..., DeadLetterProducer]


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as running:
        yield running


@pytest.fixture(params=["mock", pytest.param("real", marks=pytest.mark.slow)])
def servers(request: pytest.FixtureRequest) -> str:
    if request.param == "mock":
        cluster: MockCluster = request.getfixturevalue("cluster")
        return cluster.bootstrap_servers
    broker: Broker = request.getfixturevalue("broker")
    if not broker.is_real:
        pytest.skip("no real Kafka here")
    return broker.bootstrap_servers


@pytest.fixture
def open_producer(registry: RegistryServer) -> Iterator[Open]:
    opened: list[DeadLetterProducer] = []

    def open_one(servers: str, topic: str = "", **changes: Any) -> DeadLetterProducer:
        producer = DeadLetterProducer(settings_of(servers, registry, topic, **changes))
        opened.append(producer)
        return producer

    yield open_one
    for producer in opened:
        producer.close()


def settings_of(
    servers: str, registry: RegistryServer, topic: str = "", **changes: Any
) -> Settings:
    settings = Settings(
        kafka_bootstrap_servers=servers,
        schema_registry_url=Secret(registry.url),
        dlq_topic=topic or "alpr.dlq",
        schemas_path=Path(__file__).parents[3] / "schemas",
    )
    return dataclasses.replace(settings, **changes)


def letter(record: Record = RECORD, message: str = "no magic byte") -> DeadLetter:
    return DeadLetter(record, DeadLetterType.SCHEMA_VALIDATION, message)


def refusal(
    producer: DeadLetterProducer, letters: Sequence[DeadLetter], reason: str
) -> DeadLetterRefused:
    """How letters are handed back, which says the reason if the waiting lasts until it is known."""
    for seconds in (0.3, 3.0, PATIENCE_SECONDS):
        with pytest.raises(DeadLetterRefused) as caught:
            producer.publish(letters, timeout_seconds=seconds)
        if reason in str(caught.value):
            break
    assert reason in str(caught.value)
    return caught.value


def read_letters(servers: str, registry: RegistryServer, topic: str, count: int) -> list[Record]:
    consumer = Consumer(stream_settings(servers, [topic]))
    try:
        return read(consumer, count)
    finally:
        consumer.close()


def decode(registry: RegistryServer, record: Record) -> dict[str, Any]:
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry.url}))
    context = SerializationContext(record.topic, MessageField.VALUE)
    message: dict[str, Any] = deserialize(record.value, context)
    return message


def test_records_come_back_byte_for_byte_from_the_topic(
    servers: str, registry: RegistryServer, open_producer: Open
) -> None:
    topic = unique("dlq")
    open_producer(servers, topic).publish([letter(each) for each in (RECORD, *AWKWARD)])
    arrived = read_letters(servers, registry, topic, 1 + len(AWKWARD))
    recovered = [recover(decode(registry, each)) for each in arrived]
    assert sorted(recovered, key=repr) == sorted((RECORD, *AWKWARD), key=repr)


def test_letter_has_the_key_of_its_record(
    servers: str, registry: RegistryServer, open_producer: Open
) -> None:
    topic = unique("dlq")
    keys = [b"\xffcam", b"", None]
    records = [dataclasses.replace(RECORD, key=key) for key in keys]
    open_producer(servers, topic).publish([letter(each) for each in records])
    arrived = read_letters(servers, registry, topic, 3)
    assert sorted(map(repr, keys)) == sorted(repr(each.key) for each in arrived)


def test_schema_is_registered_under_the_topics_subject(
    cluster: MockCluster, registry: RegistryServer, open_producer: Open
) -> None:
    open_producer(cluster.bootstrap_servers, "my.dlq").publish([letter()])
    client = SchemaRegistryClient({"url": registry.url})
    assert client.get_subjects() == ["my.dlq-value"]


def test_nothing_to_send_needs_neither_broker_nor_registry(
    registry: RegistryServer, open_producer: Open
) -> None:
    registry.available = False
    open_producer("localhost:1").publish([])


def test_registry_that_is_down_hands_all_letters_back(
    cluster: MockCluster, registry: RegistryServer, open_producer: Open
) -> None:
    registry.available = False
    producer = open_producer(cluster.bootstrap_servers)
    letters = [letter(), letter(AWKWARD[0])]
    assert refusal(producer, letters, "503").letters == tuple(letters)
    registry.available = True
    producer.publish(letters)
    assert len(read_letters(cluster.bootstrap_servers, registry, "alpr.dlq", 2)) == 2


def test_broker_that_is_away_hands_letters_back_and_takes_them_later(
    cluster: MockCluster, registry: RegistryServer, open_producer: Open
) -> None:
    cluster.go_down()
    producer = open_producer(cluster.bootstrap_servers)
    refused = refusal(producer, [letter()], "Connection refused")
    cluster.come_up()
    producer.publish(refused.letters)
    arrived = read_letters(cluster.bootstrap_servers, registry, "alpr.dlq", 1)
    assert recover(decode(registry, arrived[0])) == RECORD


def test_letter_that_is_too_large_is_handed_back_alone(
    cluster: MockCluster, registry: RegistryServer, open_producer: Open
) -> None:
    producer = open_producer(
        cluster.bootstrap_servers, kafka_options=Secret({"message.max.bytes": "2000"})
    )
    large = letter(dataclasses.replace(RECORD, value=b"x" * 3_000))
    with pytest.raises(DeadLetterRefused, match=r"too large") as caught:
        producer.publish([letter(), large, letter(AWKWARD[0])])
    assert caught.value.letters == (large,)
    assert len(read_letters(cluster.bootstrap_servers, registry, "alpr.dlq", 2)) == 2


def test_letter_that_the_topic_finds_too_large_takes_no_other_with_it(
    servers: str, registry: RegistryServer, open_producer: Open, request: pytest.FixtureRequest
) -> None:
    if "mock" in request.node.name:
        pytest.skip("the mock cluster has no limit")
    topic = unique("dlq")
    noise = random.Random(4).randbytes(3_000_000)
    letters = [
        letter(dataclasses.replace(RECORD, offset=number, value=value))
        for number, value in enumerate((b"a", noise, b"b"))
    ]
    with pytest.raises(DeadLetterRefused, match=r"too large") as caught:
        open_producer(servers, topic).publish(letters)
    assert caught.value.letters == (letters[1],)
    assert len(read_letters(servers, registry, topic, 2)) == 2


def test_broker_that_finds_a_letter_too_large_hands_it_back(
    cluster: MockCluster, open_producer: Open
) -> None:
    cluster.create_topic("alpr.dlq", 1)
    cluster.answer(PRODUCE, [KafkaError.MSG_SIZE_TOO_LARGE])
    producer = open_producer(cluster.bootstrap_servers)
    with pytest.raises(DeadLetterRefused, match=r"too large"):
        producer.publish([letter()])
    producer.publish([letter()])


def test_waiting_ends_when_it_is_over(cluster: MockCluster, open_producer: Open) -> None:
    cluster.go_down()
    with pytest.raises(DeadLetterRefused):
        open_producer(cluster.bootstrap_servers).publish(
            [letter()], timeout_seconds=600, is_over=lambda: True
        )


def test_reason_holds_no_secret(cluster: MockCluster) -> None:
    with RegistryServer(credentials="engine:right") as guarded:
        url = guarded.url.replace("http://", "http://engine:p%40ss%2Fw@")
        settings = dataclasses.replace(
            settings_of(cluster.bootstrap_servers, guarded), schema_registry_url=Secret(url)
        )
        producer = DeadLetterProducer(settings)
        with pytest.raises(DeadLetterRefused, match="credentials") as caught:
            producer.publish([letter()])
        producer.close()
    assert "p@ss" not in str(caught.value)
    assert "p%40ss" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", '{"type": "nothing"}'], ids=["json", "avro"])
def test_unusable_schema_is_an_error_at_once(
    text: str, tmp_path: Path, registry: RegistryServer
) -> None:
    (tmp_path / "dlq_message.avsc").write_text(text)
    with pytest.raises(SchemaError, match=r"dlq_message\.avsc"):
        DeadLetterProducer(settings_of("localhost:1", registry, schemas_path=tmp_path))


def test_a_site_with_an_event_schema_alone_has_our_schema_of_dead_letters(
    tmp_path: Path, registry: RegistryServer
) -> None:
    DeadLetterProducer(settings_of("localhost:1", registry, schemas_path=tmp_path)).close()


def test_a_letter_that_does_not_fit_the_sites_schema_is_handed_back_alone(
    cluster: MockCluster, registry: RegistryServer, open_producer: Open, tmp_path: Path
) -> None:
    schema_without("BUSINESS_LOGIC", tmp_path)
    producer = open_producer(cluster.bootstrap_servers, schemas_path=tmp_path)
    misfit = DeadLetter(RECORD, DeadLetterType.BUSINESS_LOGIC, "plate ABC123")
    with pytest.raises(DeadLetterRefused) as caught:
        producer.publish([letter(), misfit, letter(AWKWARD[0]), misfit])
    refused = caught.value
    assert refused.letters == refused.own == (misfit, misfit)
    place = "com.alpr.dlq.DLQMessage.error_type"
    reason = f"dlq_message.avsc: a record does not fit its schema: {place}"
    assert refused.reasons == {reason: 2}
    assert len(read_letters(cluster.bootstrap_servers, registry, "alpr.dlq", 2)) == 2


def test_the_registry_is_asked_once_for_all_letters(
    cluster: MockCluster, registry: RegistryServer, open_producer: Open
) -> None:
    producer = open_producer(cluster.bootstrap_servers)
    producer.publish([letter()])
    registry.available = False
    producer.publish([letter(AWKWARD[0])])


@pytest.mark.parametrize("oddity", [Oddity.OTHER_SCHEMA, Oddity.EMPTY, Oddity.A_LIST])
def test_registry_that_gave_no_id_once_is_asked_again(cluster: MockCluster, oddity: Oddity) -> None:
    with OddRegistry(oddity) as odd:
        producer = DeadLetterProducer(settings_of(cluster.bootstrap_servers, odd))
        with pytest.raises(DeadLetterRefused) as caught:
            producer.publish([letter()], timeout_seconds=0.1)
        odd.oddity = None
        producer.publish(caught.value.letters)
        producer.close()
        (arrived,) = read_letters(cluster.bootstrap_servers, odd, "alpr.dlq", 1)
        assert recover(decode(odd, arrived)) == RECORD


def schema_id_of(record: Record) -> int:
    assert record.value is not None
    return int.from_bytes(record.value[1:5], "big")


@pytest.fixture
def odd() -> Iterator[OddRegistry]:
    with OddRegistry() as running:
        yield running
        running.oddity = None


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def producer(cluster: MockCluster, odd: OddRegistry, timer: Timer) -> Iterator[DeadLetterProducer]:
    opened = DeadLetterProducer(settings_of(cluster.bootstrap_servers, odd), timer=timer)
    yield opened
    opened.close()


def ids_of_letters(cluster: MockCluster, registry: RegistryServer, count: int) -> list[int]:
    """The schema ids that so many letters have, in their order: with one key, in one partition."""
    letters = read_letters(cluster.bootstrap_servers, registry, "alpr.dlq", count)
    return [schema_id_of(each) for each in letters]


def test_a_wrong_id_of_their_schema_ends_within_a_minute(
    cluster: MockCluster, odd: OddRegistry, producer: DeadLetterProducer, timer: Timer
) -> None:
    odd.oddity = Oddity.WRONG_ID
    producer.publish([letter()])
    odd.oddity = None
    timer.now += ANEW_SECONDS
    producer.publish([letter()])
    producer.publish([letter()])
    wrong, *right = ids_of_letters(cluster, odd, 3)
    (registered,) = odd._schemas.by_id
    assert wrong == WRONG_ID != registered
    assert right == [registered] * 2
    assert odd.requests.count(ASKED_FOR) == 2


def test_a_registry_that_lost_their_schema_is_given_it_again(
    odd: OddRegistry, producer: DeadLetterProducer, timer: Timer
) -> None:
    producer.publish([letter()])
    odd._schemas.by_id.clear()
    odd._schemas.subjects.clear()
    timer.now += ANEW_SECONDS
    producer.publish([letter()])
    assert list(odd._schemas.subjects) == ["alpr.dlq-value"]


@pytest.mark.parametrize("oddity", [Oddity.GATEWAY_ERROR, Oddity.FORBIDDEN, Oddity.DRIPPING_BODY])
def test_an_id_that_is_known_holds_while_the_registry_does_not_say(
    cluster: MockCluster,
    odd: OddRegistry,
    producer: DeadLetterProducer,
    timer: Timer,
    oddity: Oddity,
) -> None:
    producer.publish([letter()])
    odd.oddity = oddity
    timer.now += ANEW_SECONDS
    too_late = timer.now + 2.0

    def is_over() -> bool:
        # So that what drips is left as soon as it has begun.
        if odd.begun.is_set():
            timer.now = too_late
        return False

    producer.publish([letter()], is_over=is_over)
    asked = odd.requests.count(ASKED_FOR)
    producer.publish([letter()])
    (registered,) = odd._schemas.by_id
    assert ids_of_letters(cluster, odd, 3) == [registered] * 3
    # It is left alone for a minute.
    assert odd.requests.count(ASKED_FOR) == asked
