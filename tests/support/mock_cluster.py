"""librdkafka's mock cluster by its C interface: brokers that go down and up, errors on demand."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import confluent_kafka
from confluent_kafka import cimpl

_PRODUCER: Final = 0
_BROKER_ID: Final = 1
# Tags and flags of `rd_kafka_producev` (rdkafka.h).
_END_TAG, _TOPIC_TAG, _VALUE_TAG, _FLAGS_TAG, _HEADERS_TAG = 0, 1, 4, 7, 10
_COPY_FLAG: Final = 2
_FLUSH_MS: Final = 10_000
# Kafka protocol numbers of the requests that tests make fail.
PRODUCE: Final = 0
LIST_OFFSETS: Final = 2
OFFSET_COMMIT: Final = 8
FIND_COORDINATOR: Final = 10
JOIN_GROUP: Final = 11


def _library() -> ctypes.CDLL:
    # The very library that confluent_kafka has loaded: the wheel bundles it beside the package.
    bundled = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    paths = sorted(bundled.glob("librdkafka*"))
    library = ctypes.CDLL(str(paths[0] if paths else cimpl.__file__))
    for name in (
        "rd_kafka_conf_new",
        "rd_kafka_new",
        "rd_kafka_mock_cluster_new",
        "rd_kafka_headers_new",
    ):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


class MockCluster:
    """One broker on loopback whose faults a test commands; a context manager."""

    is_real = False

    def __init__(self, topics: Sequence[str] = (), partitions: int = 4) -> None:
        self._library = _library()
        self._client = self._new_client({})
        self._cluster = ctypes.c_void_p(
            self._library.rd_kafka_mock_cluster_new(self._client, ctypes.c_int(1))
        )
        # Without it the first join of a group takes 3 s.
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(
            self._cluster, ctypes.c_int32(0)
        )
        for topic in topics:
            self.create_topic(topic, partitions)

    def _new_client(self, options: Mapping[bytes, bytes]) -> ctypes.c_void_p:
        reason, size = ctypes.create_string_buffer(512), ctypes.c_size_t(512)
        configuration = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        for name, value in {b"log_level": b"2", **options}.items():
            self._library.rd_kafka_conf_set(configuration, name, value, reason, size)
        client = self._library.rd_kafka_new(_PRODUCER, configuration, reason, size)
        return ctypes.c_void_p(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` of the broker."""
        address: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def create_topic(self, topic: str, partitions: int = 4) -> None:
        """Make a topic, as an administrator would."""
        self._library.rd_kafka_mock_topic_create(
            self._cluster, topic.encode(), ctypes.c_int(partitions), ctypes.c_int(1)
        )

    def go_down(self) -> None:
        """Close every connection and refuse new ones."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, ctypes.c_int32(_BROKER_ID))

    def come_up(self) -> None:
        """Accept connections again."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, ctypes.c_int32(_BROKER_ID))

    def delay(self, milliseconds: int) -> None:
        """Answer every request so much later."""
        self._library.rd_kafka_mock_broker_set_rtt(
            self._cluster, ctypes.c_int32(_BROKER_ID), ctypes.c_int(milliseconds)
        )

    def answer(self, request: int, codes: Sequence[int]) -> None:
        """Answer the next requests of this kind with these error codes, one each."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(codes)), array
        )

    def fail_topic(self, topic: str, code: int) -> None:
        """Answer metadata requests for this topic with this error; 0 takes it back."""
        self._library.rd_kafka_mock_topic_set_error(
            self._cluster, topic.encode(), ctypes.c_int(code)
        )

    def publish_raw(self, topic: str, value: bytes, header_name: bytes) -> None:
        """Publish a record with one header, whose name may be any bytes; needs an existing topic.

        confluent_kafka's own producer takes text only.
        """
        library = self._library
        headers = ctypes.c_void_p(library.rd_kafka_headers_new(ctypes.c_size_t(1)))
        size = ctypes.c_ssize_t(len(header_name))
        library.rd_kafka_header_add(headers, header_name, size, b"x", ctypes.c_ssize_t(1))
        producer = self._new_client({b"bootstrap.servers": self.bootstrap_servers.encode()})
        library.rd_kafka_producev(
            producer,
            *(ctypes.c_int(_TOPIC_TAG), ctypes.c_char_p(topic.encode())),
            *(ctypes.c_int(_VALUE_TAG), ctypes.c_char_p(value), ctypes.c_size_t(len(value))),
            *(ctypes.c_int(_FLAGS_TAG), ctypes.c_int(_COPY_FLAG)),
            *(ctypes.c_int(_HEADERS_TAG), headers),
            ctypes.c_int(_END_TAG),
        )
        library.rd_kafka_flush(producer, ctypes.c_int(_FLUSH_MS))
        library.rd_kafka_destroy(producer)

    def close(self) -> None:
        """Take the cluster away."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)
