"""A Kafka record: what was read, which schema its value names, and why it is a dead letter.

The schema's id or GUID is before the value or in a header, in Confluent's forms. For a value in any
other form, functions here say what it looks like and what its producer has to change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from engine.errors import DecodeError

SCHEMA_HEADER: Final = "__value_schema_id"
ID_BYTES: Final = 5
GUID_BYTES: Final = 17
#: The length of the mark that names the schema, by its first byte, the magic byte.
MARK_BYTES: Final = {0: ID_BYTES, 1: GUID_BYTES}

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""
Headers = Sequence[tuple[str, bytes | None]]
"""The headers of a record, by name; one name may come several times."""
SchemaName = int | UUID
"""The id or the GUID under which a registry has a schema."""

_LONG_ID_BYTES: Final = 9
_SHOWN_BYTES: Final = 9
_SERIALIZER: Final = "let the producer write Avro by its registry's serializer"
_CONFLUENT: Final = (
    "let the producer write Confluent's form, an id of 4 bytes or a GUID, by the registry that "
    "SCHEMA_REGISTRY_URL names"
)
_PLAIN: Final = f"it is an event in plain Avro, without a schema's id in front; {_SERIALIZER}"
_UNPACKED: Final = "let Kafka compress (the producer's compression.type), not the program"
#: The first bytes of other formats, with the format's name and the remedy.
_SIGNATURES: Final = (
    (b"\xc3\x01", "a single Avro object, with a fingerprint of its schema", _CONFLUENT),
    (b"Obj\x01", "an Avro object container file", _SERIALIZER),
    (b"\x03\x00", "a record of AWS Glue's serializer", _CONFLUENT),
    (b"\x03\x05", "a compressed record of AWS Glue's serializer", _CONFLUENT),
    (b"\xac\xed\x00\x05", "a serialized Java object", _SERIALIZER),
    (b"\x1f\x8b", "data compressed by gzip", _UNPACKED),
    (b"\x28\xb5\x2f\xfd", "data compressed by zstd", _UNPACKED),
    (b"\x04\x22\x4d\x18", "data compressed by lz4", _UNPACKED),
    (b"\xff\x06\x00\x00sNaPpY", "data compressed by snappy", _UNPACKED),
    (b"\x82SNAPPY\x00", "data compressed by snappy", _UNPACKED),
    (b"AAAA", "a record in Base64", "let the producer send the bytes themselves, not as text"),
)
#: Headers of other serializers, which write nothing before the value.
_OTHER_HEADERS: Final = {
    "apicurio.value.globalId": "Apicurio's serializer",
    "apicurio.value.contentId": "Apicurio's serializer",
    "apicurio.value.artifactId": "Apicurio's serializer",
    "content-type": "Azure's serializer",
}
_AZURE: Final = b"avro/binary+"


# Not frozen: to make one would take four times as long, for every record. The types forbid it.
@dataclass(slots=True)
class Record:
    """A record, byte for byte.

    `timestamp_ms` is the broker's or the producer's timestamp (0 or less: none), `read_at` the
    monotonic time in seconds at which it was read. A `value` of None is a tombstone.
    """

    topic: Final[str]
    partition: Final[int]
    offset: Final[int]
    timestamp_ms: Final[int]
    key: Final[bytes | None]
    value: Final[bytes | None]
    headers: Final[tuple[tuple[str, bytes | None], ...]] = ()
    read_at: Final[float] = 0.0

    @property
    def topic_partition(self) -> Partition:
        """The partition that it was read from."""
        return self.topic, self.partition


class DeadLetterType(StrEnum):
    """Kinds of failure: the symbols of `DLQErrorType`."""

    SCHEMA_VALIDATION = "SCHEMA_VALIDATION"
    PROCESSING_FAILURE = "PROCESSING_FAILURE"
    TIMEOUT = "TIMEOUT"
    BUSINESS_LOGIC = "BUSINESS_LOGIC"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record, and why it could not be processed; `retry_count` counts further tries."""

    record: Record
    error_type: DeadLetterType
    message: str
    stack_trace: str | None = None
    retry_count: int = 0


def framed(schema_id: int, body: bytes) -> bytes:
    """Returns the body with the magic byte and the id of its schema, 0 to 2^31 - 1, before it."""
    return b"\0" + schema_id.to_bytes(ID_BYTES - 1, "big") + body


def header_mark(headers: Headers) -> bytes | None:
    """Returns the value of the first header that names a schema; None where there is none."""
    for name, value in headers:
        if name == SCHEMA_HEADER:
            return value
    return None


def schema_name(mark: bytes) -> SchemaName:
    """Returns the id or the GUID of a mark with its magic byte; DecodeError for other bytes."""
    if mark and len(mark) == MARK_BYTES.get(mark[0]):
        return UUID(bytes=mark[1:]) if mark[0] else int.from_bytes(mark[1:], "big")
    seen = f"the header {SCHEMA_HEADER} holds {len(mark)} bytes ({_hex(mark)})"
    if len(mark) > GUID_BYTES and mark[0] == 1:
        raise DecodeError(
            f"{seen}: a GUID and more, as Protobuf's serializer writes; {_SERIALIZER}"
        )
    raise DecodeError(f"{seen}, neither 00 and an id of 4 nor 01 and a GUID of 16; {_CONFLUENT}")


def why_unframed(value: bytes, headers: Headers, is_event: Callable[[bytes], bool]) -> str:
    """Says why a value without a whole mark names no schema, what it looks like, and a remedy.

    `is_event` says whether bytes are a whole event of the reader's schema.
    """
    if MARK_BYTES.get(value[0], 0) > len(value):
        return f"{len(value)} bytes are too few for the header and an event"
    seen = f"the magic byte is {value[0]}, not 0 or 1"
    look = _look(value, headers, is_event)
    return f"{seen}: {look}" if look else f"{seen}: not written with a registry; {_SERIALIZER}"


def why_unknown(value: bytes, name: SchemaName, is_event: Callable[[bytes], bool]) -> str:
    """Says what a value looks like whose mark names a schema that is unknown, and a remedy."""
    if is_event(value):
        return _PLAIN
    if name == 0 and len(value) >= _LONG_ID_BYTES:
        long_id = int.from_bytes(value[1:_LONG_ID_BYTES], "big")
        return (
            f"the first bytes ({_hex(value)}) look like an id of 8 bytes, {long_id}, as Apicurio's "
            "serializer writes; let it write ids of 4 bytes (apicurio.registry.as-confluent=true)"
        )
    return "is SCHEMA_REGISTRY_URL the registry that the producer registers its schemas with?"


def _look(value: bytes, headers: Headers, is_event: Callable[[bytes], bool]) -> str:
    """Says what a value without a magic byte looks like, and a remedy; "" for unknown forms."""
    for header, content in headers:
        serializer = _OTHER_HEADERS.get(header)
        is_azure = header != "content-type" or (content or b"").startswith(_AZURE)
        if serializer is not None and is_azure:
            return f"the header {header} says that {serializer} wrote it; {_CONFLUENT}"
    for begin, what, remedy in _SIGNATURES:
        if value.startswith(begin):
            return f"the first bytes ({_hex(begin)}) are those of {what}; {remedy}"
    if is_event(value):
        return _PLAIN
    start = value.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start in (b"{", b"["):
        return f"it looks like JSON; {_SERIALIZER}"
    if start == b"<":
        return f"it looks like XML; {_SERIALIZER}"
    if _is_text(value):
        return f"it is text; {_SERIALIZER}"
    return ""


def _is_text(value: bytes) -> bool:
    try:
        return value.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _hex(data: bytes) -> str:
    more = " …" if len(data) > _SHOWN_BYTES else ""
    return data[:_SHOWN_BYTES].hex(" ") + more
