"""A TCP server on loopback that answers as no proper server would: drop by drop, or without end."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from tests.support.http_receiver import LOOPBACK, bound_socket, cut

DRIP_SECONDS = 0.03
JOIN_SECONDS = 10.0

Manner = Callable[["Conversation"], object]
"""What the server does with a connection."""


class Conversation:
    """One connection. `sent_bytes` is what was written to it so far, `heard` what was read."""

    def __init__(self, connection: socket.socket, ended: threading.Event) -> None:
        self.connection = connection
        self.sent_bytes = 0
        self.heard = b""
        self.ended = ended

    def say(self, text: bytes) -> None:
        """Write all of it."""
        self.connection.sendall(text)
        self.sent_bytes += len(text)

    def hear(self, *ends: bytes) -> bytes:
        """What comes until one of `ends`, or until the other side has gone."""
        heard = b""
        while not heard.endswith(ends) and (some := self.connection.recv(65_536)):
            heard += some
            self.heard += some
        return heard

    def drip(self, text: bytes) -> None:
        """Write the text again and again, a byte at a time."""
        for byte in itertools.cycle(text):
            if self.ended.wait(DRIP_SECONDS):
                return
            self.say(bytes([byte]))

    def pour(self, text: bytes) -> None:
        """Write the text again and again, as fast as it is taken."""
        while not self.ended.is_set():
            self.say(text)


class DrippingServer:
    """Treats each connection in a `manner`; a context manager."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._ended = threading.Event()
        self._socket = bound_socket(0)
        self.port: int = self._socket.getsockname()[1]
        self.conversations: list[Conversation] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.conversations.append(Conversation(connection, self._ended))
                thread = threading.Thread(
                    target=self._talk, args=(self.conversations[-1],), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _talk(self, conversation: Conversation) -> None:
        with conversation.connection, contextlib.suppress(OSError):
            self._manner(conversation)

    def __enter__(self) -> DrippingServer:
        self._socket.listen()
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        cut(self._socket)
        self._socket.close()
        for conversation in self.conversations:
            cut(conversation.connection)
        for thread in self._threads:
            thread.join(JOIN_SECONDS)


def url(server: DrippingServer, scheme: str) -> str:
    """A URL of the server."""
    return f"{scheme}://{LOOPBACK}:{server.port}/in"


def http(*parts: bytes, then: Sequence[bytes] = (), is_fast: bool = False) -> Manner:
    """Take a request, say `parts`, and then one of `then` without end, slowly or fast."""

    def talk(conversation: Conversation) -> None:
        conversation.hear(b"}", b">")
        for part in parts:
            conversation.say(part)
        for text in then:
            (conversation.pour if is_fast else conversation.drip)(text)
        conversation.ended.wait()

    return talk
