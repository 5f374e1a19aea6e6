"""Reads events from Avro object container files, such as exports of a topic.

fastavro gives a file's records only with its own idea of logical types. So the blocks are split
here, and their records are read as those of Kafka are.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any, Final, Protocol

from engine.errors import DecodeError
from engine.schema.event_schema import EventSchema

MAGIC: Final = b"Obj\x01"
#: A block may be no larger, packed or unpacked: a broken length would fill the memory.
MAX_BLOCK_BYTES: Final = 64 << 20
_SYNC_BYTES: Final = 16
# An Avro long has at most so many bytes; each but the last has this bit.
_LONG_BYTES: Final = 10
_MORE: Final = 0x80


class ByteStream(Protocol):
    """Where the bytes come from."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, fewer at the end."""


class EventContainer:
    """The events of a container file, from its start on.

    DecodeError where it is none, or where its schema can't be read as the `schema` of events.
    """

    def __init__(self, stream: ByteStream, schema: EventSchema) -> None:
        self._stream = stream
        if stream.read(len(MAGIC)) != MAGIC:
            raise DecodeError("it is no Avro object container file")
        metadata = self._read_metadata()
        self._sync = self._exactly(_SYNC_BYTES)
        codec = metadata.get("avro.codec", b"null").decode("ascii", "replace")
        if codec not in _CODECS:
            raise DecodeError(
                f"its codec is {codec}, write it with {', '.join(sorted(_CODECS))} instead"
            )
        self._unpack = _CODECS[codec]
        writer = metadata.get("avro.schema", b"").decode("utf-8", "replace")
        self._read = schema.stream_reader(writer)

    def records(self) -> Iterator[dict[str, Any] | DecodeError]:
        """The values of each event, or why it can't be read.

        Where the rest of a block can't be read, one error stands for all of it. Raises DecodeError
        where the file is broken, so that nothing behind that place can be read.
        """
        while (count := self._long(is_last=True)) is not None:
            block = self._block()
            for number in range(count):
                try:
                    yield self._read(block)
                except DecodeError as error:
                    left = count - number - 1
                    more = f", nor can the {left} behind it in its block" if left else ""
                    yield DecodeError(f"{error}{more}")
                    break

    def _block(self) -> BytesIO:
        size = self._long()
        if size is None or not 0 <= size <= MAX_BLOCK_BYTES:
            raise DecodeError(f"the file is broken: a block of {size} bytes")
        packed = self._exactly(size)
        try:
            unpacked = self._unpack(packed)
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            raise DecodeError(f"the file is broken: a block can't be unpacked: {error}") from error
        if len(unpacked) > MAX_BLOCK_BYTES:
            raise DecodeError(f"a block has more than {MAX_BLOCK_BYTES >> 20} MiB")
        if self._exactly(_SYNC_BYTES) != self._sync:
            raise DecodeError("the file is broken: a block does not end where it should")
        return BytesIO(unpacked)

    def _read_metadata(self) -> Mapping[str, bytes]:
        """The map of the header, byte by byte, since its length is not known beforehand."""
        found: dict[str, bytes] = {}
        while count := self._long():
            if count < 0:
                # Then the size of the entries follows.
                count = -count
                self._long()
            for _ in range(count):
                name = self._sized().decode("utf-8", "replace")
                found[name] = self._sized()
        return found

    def _sized(self) -> bytes:
        size = self._long()
        if size is None or not 0 <= size <= MAX_BLOCK_BYTES:
            raise DecodeError("the file's header is broken")
        return self._exactly(size)

    def _long(self, *, is_last: bool = False) -> int | None:
        """The next long; None at the end of the file, where `is_last` says that it may be there."""
        number = 0
        for place in range(_LONG_BYTES):
            byte = self._stream.read(1)
            if not byte:
                if is_last and not place:
                    return None
                raise DecodeError("the file ends too early")
            number |= (byte[0] & ~_MORE) << (7 * place)
            if byte[0] < _MORE:
                # Avro's zigzag: even numbers are positive ones, odd ones negative.
                return (number >> 1) ^ -(number & 1)
        raise DecodeError("the file is broken: a number has no end")

    def _exactly(self, size: int) -> bytes:
        found = self._stream.read(size)
        if len(found) < size:
            raise DecodeError("the file ends too early")
        return found


def _deflated(packed: bytes) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, MAX_BLOCK_BYTES + 1)


def _bzipped(packed: bytes) -> bytes:
    return bz2.BZ2Decompressor().decompress(packed, MAX_BLOCK_BYTES + 1)


def _xz(packed: bytes) -> bytes:
    return lzma.LZMADecompressor().decompress(packed, MAX_BLOCK_BYTES + 1)


_CODECS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "null": bytes,
    "deflate": _deflated,
    "bzip2": _bzipped,
    "xz": _xz,
}
