"""Keeps connections to mail servers over a burst of mails, for all targets with the same login.

`MailSession` stands in for Apprise's own session with a mail server. It takes a kept connection, or
opens one, and gives it back after a mail that the server took. A kept connection may have ended in
the meantime: it is asked before it is used, and where it ends all the same, the mail goes over a
new one. That happens only before the DATA command, so that no mail is sent twice.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from channels.wire.capture import current_evidence
from channels.wire.deadline import share_of_time, within

#: Servers close after minutes; whoever sends later than this pays for a new connection.
IDLE_SECONDS: Final = 10.0
#: Below the limits of usual servers, which are a hundred mails and more.
MAILS_PER_CONNECTION: Final = 50
#: How many connections with one login are in use at once; servers refuse too many.
CONNECTIONS_PER_SERVER: Final = 4
#: A send waits at most so long for another's connection; then it opens one beyond the limit, for
#: its own time must not end because another's mail is slow.
_TURN_SECONDS: Final = 2.0
#: A server answers RSET at once, or the connection is dead; a new one needs its time too.
_PROBE_SECONDS: Final = 5.0
#: How long the ends of all connections that are closed together may take.
_CLOSE_SECONDS: Final = 2.0
_ERRORS: Final = (OSError, smtplib.SMTPException, RuntimeError)


class _Tls(StrEnum):
    """Apprise's words for when TLS begins."""

    INSECURE = "insecure"
    SSL = "ssl"
    STARTTLS = "starttls"


@dataclass(frozen=True, slots=True)
class MailServer:
    """What a connection depends on: where it leads, how it is secured, and who logs in.

    `tls` is one of Apprise's words: `insecure`, `ssl` or `starttls`.
    """

    host: str
    port: int
    tls: str
    user: str | None
    password: str | None = field(repr=False)
    is_verified: bool


class _Connection(smtplib.SMTP):
    """A connection that counts its DATA commands.

    `closings` is how often its line had been closed when it was taken.
    """

    data_count = 0
    kept_at = 0.0
    closings = 0

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.data_count += 1
        return super().data(msg)

    def is_alive(self) -> bool:
        """Whether the server is still there, and ready for another mail."""
        try:
            assert self.sock is not None
            self.sock.settimeout(share_of_time(_PROBE_SECONDS))
            code, _ = self.rset()
            self.sock.settimeout(self.timeout)
        except _ERRORS:
            return False
        return code == 250

    def end(self) -> None:
        """Say goodbye where the server still listens, and close."""
        with contextlib.suppress(*_ERRORS):
            self.quit()
        self.close()


class _TlsConnection(_Connection, smtplib.SMTP_SSL):
    """One with TLS from its first byte."""


@dataclass(slots=True)
class _Line:
    """All connections to one server; `freed` guards them, and tells when one is free."""

    idle: list[_Connection] = field(default_factory=list)
    in_use: int = 0
    closings: int = 0
    freed: threading.Condition = field(default_factory=threading.Condition)


class MailConnections:
    """Connections that are kept for `idle_seconds` after their last mail; for any thread."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._lines: dict[MailServer, _Line] = {}
        self._is_sweeping = False

    def take(self, server: MailServer, timeout_seconds: float) -> _Connection:
        """A connection that is ready for a mail, and the caller's until `give_back`.

        It waits at most `timeout_seconds` for each answer. What opening one raises is passed on:
        OSError, SMTPException, RuntimeError.
        """
        line, turn_seconds = self._line(server), share_of_time(_TURN_SECONDS)
        with line.freed:
            line.freed.wait_for(lambda: line.in_use < CONNECTIONS_PER_SERVER, turn_seconds)
            line.in_use += 1
            closings = line.closings
            taken = line.idle.pop() if line.idle else None
        try:
            if taken is not None and not (self._is_fresh(taken) and taken.is_alive()):
                taken.close()
                # What has ended it has probably ended the others.
                self._drop(line)
                taken = None
            if taken is None:
                taken = _open(server, timeout_seconds)
        except BaseException:
            self._leave(line)
            raise
        taken.closings = closings
        return taken

    def renew(self, server: MailServer, ended: _Connection, timeout_seconds: float) -> _Connection:
        """A new connection in place of one of `take` that has ended; raises the same."""
        ended.close()
        opened = _open(server, timeout_seconds)
        opened.closings = ended.closings
        return opened

    def give_back(self, server: MailServer, connection: _Connection, *, is_good: bool) -> None:
        """Keep the connection for the next mail if it `is_good`, else close it; never raises."""
        line = self._line(server)
        connection.kept_at = time.monotonic()
        with line.freed:
            is_kept = (
                is_good
                and connection.data_count < MAILS_PER_CONNECTION
                and connection.closings == line.closings
            )
            if is_kept:
                line.idle.append(connection)
        if is_kept:
            self._sweep_later()
        else:
            connection.end()
        self._leave(line)

    def close(self, server: MailServer) -> None:
        """Close all that is kept for this server; what is in use is closed after its mail."""
        line = self._line(server)
        with line.freed:
            ended, line.idle = line.idle, []
            line.closings += 1
        _end(ended)

    def _line(self, server: MailServer) -> _Line:
        with self._lock:
            return self._lines.setdefault(server, _Line())

    def _leave(self, line: _Line) -> None:
        with line.freed:
            line.in_use -= 1
            line.freed.notify()

    def _drop(self, line: _Line) -> None:
        with line.freed:
            dropped, line.idle = line.idle, []
        for connection in dropped:
            connection.close()

    def _is_fresh(self, connection: _Connection) -> bool:
        return time.monotonic() - connection.kept_at < self._idle_seconds

    def _sweep_later(self) -> None:
        with self._lock:
            if self._is_sweeping:
                return
            # At the end of the process no thread starts any more.
            with contextlib.suppress(RuntimeError):
                threading.Thread(target=self._sweep, name="mail-connections", daemon=True).start()
                self._is_sweeping = True

    def _sweep(self) -> None:
        """Close what has been idle for too long, until nothing is kept."""
        while True:
            time.sleep(self._idle_seconds / 4)
            ended: list[_Connection] = []
            with self._lock:
                for line in self._lines.values():
                    with line.freed:
                        ended += [each for each in line.idle if not self._is_fresh(each)]
                        line.idle = [each for each in line.idle if self._is_fresh(each)]
                self._is_sweeping = any(line.idle for line in self._lines.values())
                is_over = not self._is_sweeping
            _end(ended)
            if is_over:
                return


#: Those of the process.
CONNECTIONS: Final = MailConnections()


class MailSession:
    """One send's conversation with a mail server: a context manager, as Apprise's controller is."""

    def __init__(
        self,
        host: str,
        port: int,
        secure_mode: str,
        user: str | None = None,
        password: str | None = None,
        verify_certificate: bool = True,
        socket_connect_timeout: float = 15.0,
        connections: MailConnections = CONNECTIONS,
    ) -> None:
        self._server = MailServer(host, port, secure_mode, user, password, bool(verify_certificate))
        self._timeout_seconds = socket_connect_timeout
        self._connections = connections
        self._connection: _Connection | None = None
        self._is_good = False

    def __enter__(self) -> Self:
        """Take a connection; raises what opening one raises."""
        self._connection = self._connections.take(self._server, self._timeout_seconds)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            is_open = self._connection.sock is not None
            self._connections.give_back(
                self._server, self._connection, is_good=self._is_good and is_open
            )

    def sendmail(self, from_addr: str, to_addrs: Sequence[str], message: str) -> bool:
        """Whether the server took the mail for everybody; the evidence says why not.

        Raises what opening a connection raises, where a kept one had ended.
        """
        assert self._connection is not None
        self._is_good = False
        evidence, data_count = current_evidence(), self._connection.data_count
        known = len(evidence)
        try:
            refused = self._connection.sendmail(from_addr, to_addrs, message)
        except _ERRORS as error:
            is_unsent = self._connection.data_count == data_count
            if not (data_count and is_unsent and _is_of_the_connection(error)):
                return False
            # All this says no more than that the connection had ended.
            del evidence[known:]
            self._connection = self._connections.renew(
                self._server, self._connection, self._timeout_seconds
            )
            return self.sendmail(from_addr, to_addrs, message)
        self._is_good = True
        return not refused


def _is_of_the_connection(error: BaseException) -> bool:
    """Whether the error is about the connection, and not about the mail.

    A server may refuse MAIL with any code once it has enough of a connection.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code == 421 for code, _ in error.recipients.values())
    return isinstance(error, (smtplib.SMTPServerDisconnected, smtplib.SMTPSenderRefused))


def _open(server: MailServer, timeout_seconds: float) -> _Connection:
    """A new connection, secured and logged in.

    Raises OSError (also for TLS), SMTPException and RuntimeError.
    """
    tls, host, port = _Tls(server.tls), server.host, server.port
    context = None if tls is _Tls.INSECURE else tls_context(is_verified=server.is_verified)
    connection = (
        _TlsConnection(host, port, timeout=timeout_seconds, context=context)
        if tls is _Tls.SSL
        else _Connection(host, port, timeout=timeout_seconds)
    )
    try:
        if tls is _Tls.STARTTLS:
            connection.starttls(context=context)
        if server.user and server.password:
            connection.login(server.user, server.password)
    except _ERRORS:
        connection.end()
        raise
    return connection


def _end(connections: Sequence[_Connection]) -> None:
    with within(_CLOSE_SECONDS):
        for connection in connections:
            connection.end()


_contexts: Final[dict[bool, tuple[object, ssl.SSLContext]]] = {}
_contexts_lock: Final = threading.Lock()


def tls_context(*, is_verified: bool) -> ssl.SSLContext:
    """The process's context for TLS to mail servers, which may be used by any thread.

    It is made anew only when the system's authorities have changed: that takes some 40 ms.
    """
    authorities = _authorities()
    with _contexts_lock:
        known = _contexts.get(is_verified)
        if known is not None and known[0] == authorities:
            return known[1]
        context = ssl.create_default_context()
        if not is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _contexts[is_verified] = (authorities, context)
        return context


def _authorities() -> object:
    """What tells one state of the system's authorities from another."""
    paths = ssl.get_default_verify_paths()
    try:
        # It is None where there is no such file.
        state = Path(paths.cafile or "").stat()
    except OSError:
        return paths
    return paths, state.st_ino, state.st_size, state.st_mtime_ns
