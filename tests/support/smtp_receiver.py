"""A mail server on loopback (STARTTLS or SMTPS, with AUTH) that replies from a script."""

from __future__ import annotations

import asyncio
import contextlib
import email
import ssl
import threading
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from enum import StrEnum
from types import TracebackType
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.arrivals import Arrivals
from tests.support.http_receiver import LOOPBACK, bound_socket
from tests.support.patience import PATIENCE_SECONDS


class Stage(StrEnum):
    """Where in the dialogue a scripted reply is given."""

    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"


@dataclass(frozen=True, slots=True)
class Mail:
    """One message that was taken; `at` is `time.monotonic()`."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    username: str
    encrypted: bool
    at: float

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return email.message_from_bytes(self.raw, policy=SMTP_POLICY)


@dataclass(frozen=True, slots=True)
class Login:
    """One try to log in, as it came over the wire."""

    username: str
    password: str


class SmtpReceiver:
    """A mail server; a context manager. `implicit` is SMTPS, else STARTTLS is required.

    A `relay` asks for neither TLS nor a login, and offers both.

    `mails` holds what was taken, `attempts` the recipients of every message that was read whole,
    taken or not, `logins` every try to log in, `connections` every connection there was. Only
    `username` with `password` is let in; everybody else gets 535.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        username: str,
        password: str,
        *,
        implicit: bool = False,
        relay: bool = False,
    ) -> None:
        self.mails: Arrivals[Mail] = Arrivals()
        self.logins: Arrivals[Login] = Arrivals()
        self.attempts: Arrivals[str] = Arrivals()
        self.connections: Arrivals[Connection] = Arrivals()
        self.username = username
        self.password = password
        self._tls = tls
        self._implicit = implicit
        self.is_relay = relay
        self._lock = threading.Lock()
        self._replies: dict[Stage, deque[str]] = {stage: deque() for stage in Stage}
        self._recipient_replies: dict[str, str] = {}
        self.mails_per_connection: int | None = None
        self.is_mute = False
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._released: asyncio.Event | None = None
        self._reserved = bound_socket(0)
        self.host = "localhost"
        self.port: int = self._reserved.getsockname()[1]
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="smtp-receiver", daemon=True
        )
        self._thread.start()

    def reply(self, stage: Stage, *replies: str) -> None:
        """The next commands of this stage get these replies, for instance "450 4.2.1 busy"."""
        with self._lock:
            self._replies[stage].extend(replies)

    def reply_to(self, recipient: str, reply: str | None) -> None:
        """RCPT for this recipient gets this reply until told otherwise (None: taken)."""
        with self._lock:
            if reply is None:
                self._recipient_replies.pop(recipient, None)
            else:
                self._recipient_replies[recipient] = reply

    def hang(self) -> None:
        """From now on DATA is read and not answered, until `release`."""
        self._run(self._set_hanging(True))

    def limit(self, mails_per_connection: int) -> None:
        """From now on a connection is closed behind the reply to so many mails."""
        self.mails_per_connection = mails_per_connection

    def cut(self, last_words: str = "") -> None:
        """Close all connections, with these words if any, and listen on."""
        self._run(self._cut(last_words))

    def mute(self, *, for_good: bool = False) -> None:
        """Answer nothing any more on the connections there are, nor on new ones if `for_good`."""
        self.is_mute = for_good
        self._run(self._mute())

    @property
    def open_connections(self) -> int:
        """How many connections there are."""
        return sum(not connection.is_lost for connection in self.connections.all())

    def release(self) -> None:
        """Answer what hangs."""
        self._run(self._set_hanging(False))

    def wait_for(self, count: int, timeout_seconds: float = PATIENCE_SECONDS) -> list[Mail]:
        """All mails, once there are `count`; AssertionError when the time is over."""
        return self.mails.wait_for(count, timeout_seconds)

    def up(self) -> SmtpReceiver:
        """Listen, on the same port as ever."""
        if self._server is None:
            self._run(self._listen())
        return self

    def down(self) -> None:
        """Refuse connections and cut those there are; the port stays ours."""
        if self._server is not None:
            self._run(self._close())
            self._reserved = bound_socket(self.port)

    def close(self) -> None:
        """Down for ever."""
        self.release()
        self.down()
        self._reserved.close()
        self._run(self._cancel_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    def __enter__(self) -> SmtpReceiver:
        return self.up()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def scripted(self, stage: Stage, recipient: str = "") -> str | None:
        """The reply that the script has for this command, used up unless it is a recipient's."""
        with self._lock:
            if stage is Stage.RCPT and recipient in self._recipient_replies:
                return self._recipient_replies[recipient]
            replies = self._replies[stage]
            return replies.popleft() if replies else None

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """aiosmtpd's authenticator."""
        assert isinstance(data, LoginPassword)
        login = Login(data.login.decode(), data.password.decode())
        self.logins.add(login)
        scripted = self.scripted(Stage.AUTH)
        if scripted is None and login == Login(self.username, self.password):
            return AuthResult(success=True, auth_data=login.username)
        # Left at its default, `handled` would leave the client without any reply.
        return AuthResult(success=False, handled=False, message=scripted)

    async def take(self, session: Session, envelope: Envelope) -> str:
        """The reply to a message that was read whole."""
        self.attempts.add(",".join(envelope.rcpt_tos))
        if self._released is not None:
            await self._released.wait()
        scripted = self.scripted(Stage.DATA)
        if scripted is not None:
            return scripted
        assert isinstance(envelope.content, bytes)
        self.mails.add(
            Mail(
                envelope.mail_from or "",
                tuple(envelope.rcpt_tos),
                envelope.content,
                str(session.auth_data or ""),
                self._implicit or session.ssl is not None,
                time.monotonic(),
            )
        )
        return "250 2.0.0 taken"

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_SECONDS)

    async def _set_hanging(self, hanging: bool) -> None:
        if self._released is not None:
            self._released.set()
        self._released = asyncio.Event() if hanging else None

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            self._protocol, sock=self._reserved, ssl=self._tls if self._implicit else None
        )

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self.connections.all():
            if isinstance(connection.transport, asyncio.Transport):
                connection.transport.abort()
        self._server = None
        # Let aborted connections tell their protocols.
        await asyncio.sleep(0)

    async def _cut(self, last_words: str) -> None:
        for transport in self._transports():
            if last_words:
                transport.write(f"{last_words}\r\n".encode())
            transport.close()

    async def _mute(self) -> None:
        for transport in self._transports():
            transport.pause_reading()

    def _transports(self) -> list[asyncio.Transport]:
        return [
            connection.transport
            for connection in self.connections.all()
            if isinstance(connection.transport, asyncio.Transport)
            and not connection.transport.is_closing()
        ]

    async def _cancel_tasks(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            await asyncio.gather(*tasks, return_exceptions=True)

    def _protocol(self) -> Connection:
        # With SMTPS aiosmtpd does not see the encryption, so it can't require it.
        protocol = Connection(
            self,
            _Handler(self),
            hostname=LOOPBACK,
            ident="test",
            enable_SMTPUTF8=True,
            tls_context=None if self._implicit else self._tls,
            require_starttls=not self._implicit and not self.is_relay,
            auth_required=not self._implicit and not self.is_relay,
            auth_require_tls=not self._implicit and not self.is_relay,
            # One mechanism, so that one try to log in is one login here.
            auth_exclude_mechanism=["LOGIN"],
            authenticator=self.authenticate,
            loop=self._loop,
        )
        self.connections.add(protocol)
        return protocol


class Connection(SMTP):
    """One connection; `mails` counts its DATA commands."""

    def __init__(self, receiver: SmtpReceiver, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._receiver = receiver
        self.mails = 0
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._receiver.is_mute and isinstance(transport, asyncio.Transport):
            transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        self.mails += 1
        await super().smtp_DATA(arg)
        if self.mails == self._receiver.mails_per_connection and self.transport is not None:
            self.transport.close()


class _Handler:
    """aiosmtpd's hooks; None as a reply lets aiosmtpd go on."""

    def __init__(self, receiver: SmtpReceiver) -> None:
        self._receiver = receiver

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, sender: str, options: list[str]
    ) -> str:
        if not session.authenticated and not self._receiver.is_relay:
            return "530 5.7.0 Authentication required"
        scripted = self._receiver.scripted(Stage.MAIL)
        if scripted is None:
            envelope.mail_from = sender
            envelope.mail_options.extend(options)
        return scripted or "250 2.1.0 ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, recipient: str, options: list[str]
    ) -> str:
        scripted = self._receiver.scripted(Stage.RCPT, recipient)
        if scripted is None:
            envelope.rcpt_tos.append(recipient)
        return scripted or "250 2.1.5 ok"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        return await self._receiver.take(session, envelope)
