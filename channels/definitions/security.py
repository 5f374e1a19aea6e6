"""Checks how a target's connection is secured: certificates, TLS of mail servers, logins in URLs.

What is insecure or contradicts itself becomes a fault or a warning.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote

import urllib3
from apprise import NotifyBase

from channels.definitions.block import Block
from channels.definitions.keys import TRUST, names_of
from channels.plugins.plugin import KeyPath
from channels.targets.webhook import Trust
from channels.wire.link_local import REMEDY, refused_kind

TRUST_KEYS: Final = names_of(TRUST)
UNVERIFIED: Final = (
    "the certificate is not verified: whoever is on the way can read alerts, and swallow them"
)
_REMEDY: Final = "name the certificate of its authority as `ca_file` instead"
_NTFY: Final = frozenset({"ntfy", "ntfys"})
# For a missing password, their plugins would send the word None.
_BASIC: Final = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", *_NTFY})
_AUTHORIZATION: Final = "authorization"
LoginWarning = tuple[str, str]
"""What is wrong, and the remedy."""
TOKEN_WARNING: Final[LoginWarning] = (
    "what stands before the @ is sent as an access token, though ntfy's begin with tk_",
    "write ntfy://USER:PASSWORD@… for a login, or add ?auth=token for a token of another kind",
)
HEADER_WARNING: Final[LoginWarning] = (
    "the login in the URL is sent in place of the header Authorization",
    "remove one of them",
)
NO_PASSWORD_WARNING: Final[LoginWarning] = (
    "the URL's user has no password, so that no login is sent",
    "write USER:PASSWORD@, or USER:@ for one without a password",
)


class Tls(StrEnum):
    """When TLS begins on a connection to a mail server."""

    STARTTLS = "starttls"
    SSL = "ssl"
    NONE = "none"


DEFAULT_PORTS: Final[Mapping[Tls, int]] = {Tls.STARTTLS: 587, Tls.SSL: 465, Tls.NONE: 25}
#: The names that Apprise has for them.
APPRISE_MODES: Final[Mapping[Tls, str]] = {
    Tls.STARTTLS: "starttls",
    Tls.SSL: "ssl",
    Tls.NONE: "insecure",
}
#: Ports on which a connection begins without TLS: those of RFC 5321 and RFC 6409, and 2525, which
#: providers offer as well.
_PLAIN_FIRST: Final = frozenset({25, 587, 2525})
#: The port on which a connection begins with TLS (RFC 8314).
_TLS_FIRST: Final = 465


class TlsProblem(StrEnum):
    """A kind of problem with the TLS of a mail server."""

    TLS_TOO_EARLY = "too early"
    TLS_TOO_LATE = "too late"
    CLEAR_PASSWORD = "clear password"  # noqa: S105 - a kind of problem


@dataclass(frozen=True, slots=True)
class MailWarning:
    """A problem in words."""

    kind: TlsProblem
    what: str


def has_trust(block: Block) -> bool:
    """Whether the block has one of `TRUST_KEYS`."""
    return any(block.has(key) for key in TRUST_KEYS)


def read_trust(block: Block) -> Trust:
    """The trust that `ca_file` and `verify` set; faults are added to the block."""
    verify = block.flag("verify", default=True)
    ca_file = block.text("ca_file", is_plain=True)
    if ca_file is not None:
        if not verify:
            block.fault("ca_file has no effect with verify: false", "remove verify", "verify")
        _check_file(block, ca_file)
        return ca_file
    return verify


def read_link_local(block: Block, hosts: Iterable[object], *path: str | int) -> bool:
    """Whether the channel may connect to link-local and metadata addresses, by its key.

    A host at `path` that is such an address is a fault without it. A name is looked up when an
    alert is sent, and not here.
    """
    is_allowed = block.flag("allow_link_local", default=False)
    for host in hosts:
        kind = refused_kind(host) if isinstance(host, str) and not is_allowed else ""
        if kind:
            block.fault(f"the host {host} is {kind}", REMEDY, *path)
    return is_allowed


def warn_of_unverified(block: Block, *path: str | int) -> None:
    """Warn of a target whose certificate is not verified."""
    block.warn(UNVERIFIED, _REMEDY, *path)
    # urllib3 would log its own warning at every send.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def refuse_without_tls(block: Block) -> None:
    """Add a fault for each of `TRUST_KEYS`, which have no effect without TLS."""
    for key in TRUST_KEYS:
        if block.has(key):
            block.fault(f"{key} has no effect without TLS", "write https://, or remove it", key)


def apply_trust(block: Block, plugins: Sequence[NotifyBase], path: KeyPath) -> None:
    """Set the trust of the block in the plugins of one Apprise URL, which is at `path`.

    Faults and warnings are added to the block.
    """
    plugin, trust = plugins[0], read_trust(block)
    unencrypted = type(plugin).protocol or ()
    is_encrypted = plugin.schema not in (
        (unencrypted,) if isinstance(unencrypted, str) else tuple(unencrypted)
    )
    if has_trust(block) and not is_encrypted:
        refuse_without_tls(block)
    elif isinstance(trust, str):
        # A plugin that does not use requests ignores `verify_certificate`.
        if not hasattr(sys.modules[type(plugin).__module__], "requests"):
            remedy = "remove it, and set SSL_CERT_FILE for the engine"
            block.fault("ca_file is for targets over HTTPS", remedy, "ca_file")
        if not plugin.verify_certificate:
            block.fault("ca_file has no effect with ?verify=no", "remove ?verify=no", *path)
    elif not trust:
        warn_of_unverified(block, "verify")
    elif is_encrypted and not plugin.verify_certificate and not block.has("verify"):
        warn_of_unverified(block, *path)
    if has_trust(block):
        for each in plugins:
            # Plugins pass it to requests, which takes a path too.
            vars(each)["verify_certificate"] = trust


def has_authorization(headers: Iterable[str]) -> bool:
    """Whether one of the headers is Authorization."""
    return any(name.lower() == _AUTHORIZATION for name in headers)


def correct_login(keywords: dict[str, Any]) -> tuple[LoginWarning, ...]:
    """Correct the login in the keywords of a plugin, and return what to warn of.

    ntfy takes a user without a password for a token, whatever it begins with, unless the URL has
    `?auth=`: no server accepts such a user. Elsewhere the password becomes an empty one.
    """
    schema, user = str(keywords["schema"]).lower(), keywords.get("user")
    warnings: list[LoginWarning] = []
    if not user or schema not in _BASIC:
        return ()
    if keywords.get("password") is None:
        keywords["password"] = ""
        asked = keywords.get("qsd", {}).get("auth")
        if schema in _NTFY and not asked and not keywords.get("token"):
            keywords.update(auth="token", token=unquote(user), user=None)
            warnings.append(TOKEN_WARNING)
    if has_authorization(keywords.get("headers") or ()):
        warnings.append(HEADER_WARNING)
    return tuple(warnings)


def mail_warnings(tls: Tls, port: int, *, has_password: bool) -> Iterator[MailWarning]:
    """Warnings of TLS that does not suit the port, and of a password that is sent without TLS."""
    if tls is Tls.SSL and port in _PLAIN_FIRST:
        what = f"TLS from the first byte towards port {port}, where servers begin without it"
        yield MailWarning(TlsProblem.TLS_TOO_EARLY, what)
    elif tls is not Tls.SSL and port == _TLS_FIRST:
        how = "STARTTLS" if tls is Tls.STARTTLS else "no TLS"
        what = f"{how} towards port {port}, where servers take TLS from the first byte only"
        yield MailWarning(TlsProblem.TLS_TOO_LATE, what)
    if tls is Tls.NONE and has_password:
        yield MailWarning(
            TlsProblem.CLEAR_PASSWORD, "the password goes over the network without TLS"
        )


def _check_file(block: Block, path: str) -> None:
    what, remedy = "", "name a file in PEM that the engine may read"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        what = "holds no certificate in PEM"
        remedy = "let it hold -----BEGIN CERTIFICATE----- and what follows, of the authority"
    except (OSError, ValueError) as error:
        what = f"can't be read ({getattr(error, 'strerror', None) or 'no such path'})"
    if what:
        block.fault(f"the file {path} {what}", remedy, "ca_file")
