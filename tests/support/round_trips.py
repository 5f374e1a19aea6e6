"""Counts the round trips of the clients of a PostgreSQL, by a proxy before it."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from tests.support.tcp_proxy import Side, TcpProxy

#: What the server ends each answer with, however many statements it has answered.
_READY: Final = b"Z\x00\x00\x00\x05"


class RoundTrips:
    """A proxy before a PostgreSQL without TLS; a context manager. Clients connect to `port`.

    `count` is how many times the server has answered, all of its statements at once.
    """

    def __init__(self, server_port: int) -> None:
        self.count = 0
        self._proxy = TcpProxy(server_port, watch=self._note)
        self.port: int = self._proxy.port

    def __enter__(self) -> RoundTrips:
        self._proxy.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._proxy.close()

    def _note(self, side: Side, chunk: bytes) -> None:
        if side is Side.CLIENT:
            self.count += chunk.count(_READY)
