"""A TCP proxy on loopback that cuts, delays and half-closes what passes through it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from enum import StrEnum
from types import TracebackType
from typing import Any, Final

from tests.support.http_receiver import LOOPBACK, RESET_ON_CLOSE, bound_socket
from tests.support.patience import PATIENCE_SECONDS

_CHUNK_BYTES: Final = 65_536


class Side(StrEnum):
    """One end of a connection."""

    CLIENT = "client"
    SERVER = "server"


class TcpProxy:
    """Passes connections on to a port; a context manager. Its own port stays the same for ever.

    Each chunk of bytes waits `latency_seconds` on its way, in either direction. `watch` is called
    with each before it is passed on, and with the side that gets it; not in the caller's thread.
    """

    def __init__(
        self,
        server_port: int,
        latency_seconds: float = 0.0,
        watch: Callable[[Side, bytes], None] = lambda side, chunk: None,
    ) -> None:
        self._server_port = server_port
        self._watch = watch
        self._usual_seconds = latency_seconds
        self._latency_seconds = latency_seconds
        self._connections: set[_Connection] = set()
        self._reserved: socket.socket | None = bound_socket(0)
        self.port: int = self._reserved.getsockname()[1]
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tcp-proxy", daemon=True
        )
        self._thread.start()

    @property
    def is_used(self) -> bool:
        """Whether somebody is connected."""
        return bool(self._connections)

    def cut(self) -> None:
        """Reset all connections, at both ends."""
        self._run(self._cut())

    def half_close(self, side: Side) -> None:
        """This side of all connections sees their end; what it sends itself still arrives."""
        self._run(self._half_close(side))

    def delay(self, seconds: float) -> None:
        """From now on each chunk of bytes waits so much longer than usual; 0.0 ends it."""
        self._latency_seconds = self._usual_seconds + seconds

    def down(self) -> None:
        """Reset all connections, and refuse new ones."""
        self._run(self._down())

    def up(self) -> TcpProxy:
        """Take connections."""
        self._run(self._up())
        return self

    def close(self) -> None:
        """Down for ever."""
        self.down()
        if self._reserved is not None:
            self._reserved.close()
        self._run(self._cancel_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    def __enter__(self) -> TcpProxy:
        return self.up()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_SECONDS)

    async def _up(self) -> None:
        if self._reserved is not None:
            bound, self._reserved = self._reserved, None
            self._listener = await asyncio.start_server(self._pass_on, sock=bound)

    async def _down(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            # Let the loop close the socket before its port is taken again.
            await asyncio.sleep(0)
            self._reserved = bound_socket(self.port)
        await self._cut()

    async def _cut(self) -> None:
        for connection in self._connections:
            connection.reset()

    async def _half_close(self, side: Side) -> None:
        for connection in self._connections:
            connection.end(side)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection(LOOPBACK, self._server_port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, upstream[1])
        self._connections.add(connection)
        try:
            await asyncio.gather(
                self._pump(reader, connection, Side.SERVER),
                self._pump(upstream[0], connection, Side.CLIENT),
            )
        except OSError:
            connection.reset()
        finally:
            self._connections.discard(connection)
            connection.close()

    async def _pump(
        self, reader: asyncio.StreamReader, connection: _Connection, side: Side
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            self._watch(side, chunk)
            if self._latency_seconds:
                await asyncio.sleep(self._latency_seconds)
            await connection.send(side, chunk)
        connection.end(side)

    async def _cancel_tasks(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Connection:
    """The two sockets of a client that is passed on."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._writers = {Side.CLIENT: client, Side.SERVER: server}
        self._ended: set[Side] = set()

    async def send(self, side: Side, chunk: bytes) -> None:
        """Send a chunk to a side; nothing, once that has seen the end."""
        if side not in self._ended:
            self._writers[side].write(chunk)
            await self._writers[side].drain()

    def end(self, side: Side) -> None:
        """Let a side see the end."""
        if side not in self._ended:
            self._ended.add(side)
            with contextlib.suppress(OSError):
                self._writers[side].write_eof()

    def reset(self) -> None:
        """Let both sides see "connection reset"."""
        for writer in self._writers.values():
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE
                )
            writer.transport.abort()

    def close(self) -> None:
        """Close both."""
        for writer in self._writers.values():
            writer.close()
