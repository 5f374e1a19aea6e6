"""The tests' own TCP proxy passes bytes on, and cuts, delays and half-closes as told."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.http_receiver import LOOPBACK
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.support.tcp_proxy import Side, TcpProxy


class Ends:
    """The two ends of one connection through a proxy."""

    def __init__(self, proxy: TcpProxy, listener: socket.socket) -> None:
        self.client = socket.create_connection((LOOPBACK, proxy.port), PATIENCE_SECONDS)
        self.server, _ = listener.accept()
        self.server.settimeout(PATIENCE_SECONDS)

    def close(self) -> None:
        """Close both."""
        self.client.close()
        self.server.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server


@pytest.fixture
def proxy(listener: socket.socket) -> Iterator[TcpProxy]:
    """A proxy before that server."""
    with TcpProxy(listener.getsockname()[1]) as running:
        yield running


@contextlib.contextmanager
def ends(proxy: TcpProxy, listener: socket.socket) -> Iterator[Ends]:
    """A connection that has carried bytes in both directions."""
    both = Ends(proxy, listener)
    try:
        both.client.sendall(b"ping")
        assert both.server.recv(9) == b"ping"
        both.server.sendall(b"pong")
        assert both.client.recv(9) == b"pong"
        yield both
    finally:
        both.close()


def test_an_end_is_passed_on(proxy: TcpProxy, listener: socket.socket) -> None:
    with ends(proxy, listener) as both:
        assert proxy.is_used
        both.client.close()
        assert both.server.recv(9) == b""
    await_that(lambda: not proxy.is_used)


def test_cut_connections_are_reset_and_new_ones_taken(
    proxy: TcpProxy, listener: socket.socket
) -> None:
    with ends(proxy, listener) as both:
        proxy.cut()
        for end in (both.client, both.server):
            with pytest.raises(ConnectionResetError):
                end.recv(9)
    with ends(proxy, listener):
        pass


def test_a_proxy_that_is_down_refuses_until_it_is_up(
    proxy: TcpProxy, listener: socket.socket
) -> None:
    with ends(proxy, listener) as both:
        proxy.down()
        with pytest.raises(ConnectionResetError):
            both.client.recv(9)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, proxy.port))
    proxy.up()
    with ends(proxy, listener):
        pass


def test_a_half_closed_side_sees_the_end_and_is_still_heard(
    proxy: TcpProxy, listener: socket.socket
) -> None:
    with ends(proxy, listener) as both:
        proxy.half_close(Side.CLIENT)
        assert both.client.recv(9) == b""
        both.client.sendall(b"and yet")
        assert both.server.recv(9) == b"and yet"


def test_delayed_bytes_come_late(proxy: TcpProxy, listener: socket.socket) -> None:
    with ends(proxy, listener) as both:
        proxy.delay(0.2)
        sender = threading.Thread(target=both.client.sendall, args=(b"late",))
        began = time.monotonic()
        sender.start()
        assert both.server.recv(9) == b"late"
        assert time.monotonic() - began >= 0.2
        sender.join()


def test_a_server_that_is_away_resets_its_clients(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with TcpProxy(port) as proxy, socket.create_connection((LOOPBACK, proxy.port)) as client:
        client.settimeout(PATIENCE_SECONDS)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(9) == b""
