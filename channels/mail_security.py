"""How a mail server is spoken to: with TLS from the first byte, with STARTTLS, or without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Tls(StrEnum):
    """When a connection to a mail server becomes encrypted."""

    STARTTLS = "starttls"
    SSL = "ssl"
    NONE = "none"


DEFAULT_PORTS: Final[Mapping[Tls, int]] = {Tls.STARTTLS: 587, Tls.SSL: 465, Tls.NONE: 25}
#: What Apprise calls them.
APPRISE_MODES: Final[Mapping[Tls, str]] = {
    Tls.STARTTLS: "starttls",
    Tls.SSL: "ssl",
    Tls.NONE: "insecure",
}
#: Ports on which a server speaks first, and in the clear: those of RFC 5321 and RFC 6409, and the
#: one that providers offer beside the latter.
_PLAIN_FIRST: Final = frozenset({25, 587, 2525})
#: The port on which TLS comes first (RFC 8314).
_TLS_FIRST: Final = 465


class Doubt(StrEnum):
    """What is odd about how a mail server is spoken to."""

    TLS_TOO_EARLY = "too early"
    TLS_TOO_LATE = "too late"
    CLEAR_PASSWORD = "clear password"  # noqa: S105 - a kind of doubt


@dataclass(frozen=True, slots=True)
class MailDoubt:
    """One of them, in words."""

    kind: Doubt
    what: str


def mail_doubts(tls: Tls, port: int, *, has_password: bool) -> Iterator[MailDoubt]:
    """What is odd about TLS towards a port, and about a password without it."""
    if tls is Tls.SSL and port in _PLAIN_FIRST:
        what = f"TLS from the first byte towards port {port}, where servers begin without it"
        yield MailDoubt(Doubt.TLS_TOO_EARLY, what)
    elif tls is not Tls.SSL and port == _TLS_FIRST:
        how = "STARTTLS" if tls is Tls.STARTTLS else "no TLS"
        what = f"{how} towards port {port}, where servers take TLS from the first byte only"
        yield MailDoubt(Doubt.TLS_TOO_LATE, what)
    if tls is Tls.NONE and has_password:
        yield MailDoubt(Doubt.CLEAR_PASSWORD, "the password goes over the network without TLS")
