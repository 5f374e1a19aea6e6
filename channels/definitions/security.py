"""How a target's connection is secured: certificates, TLS of mail servers, the login in a URL."""

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
from channels.plugins.plugin import KeyPath
from channels.targets.webhook import Trust

TRUST_KEYS: Final = ("ca_file", "verify")

UNVERIFIED: Final = (
    "the certificate is not verified: whoever is on the way can read alerts, and swallow them"
)
_REMEDY: Final = "name the certificate of its authority as `ca_file` instead"


def has_trust(block: Block) -> bool:
    """Whether the block says whom to trust."""
    return any(block.has(key) for key in TRUST_KEYS)


def read_trust(block: Block) -> Trust:
    """What `ca_file` and `verify` say, for one that verifies certificates."""
    verify = block.flag("verify", default=True)
    ca_file = block.text("ca_file", is_plain=True)
    if ca_file is not None:
        if not verify:
            block.fault("ca_file has no effect with verify: false", "remove verify", "verify")
        _check_file(block, ca_file)
        return ca_file
    return verify


def doubt_unverified(block: Block, *path: str | int) -> None:
    """Warn of a target whose certificate nobody looks at."""
    block.doubt(UNVERIFIED, _REMEDY, *path)
    # It was said, and once is enough.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def refuse_without_tls(block: Block) -> None:
    """A fault for each key that has nothing to decide, since nothing is encrypted."""
    for key in TRUST_KEYS:
        if block.has(key):
            block.fault(f"{key} has no effect without TLS", "write https://, or remove it", key)


def apply_trust(block: Block, plugins: Sequence[NotifyBase], path: KeyPath) -> None:
    """Make the plugins of one Apprise URL trust what the block says.

    Faults and doubts stay in the block; `path` is that of the URL.
    """
    plugin, trust = plugins[0], read_trust(block)
    unencrypted = type(plugin).protocol or ()
    is_encrypted = plugin.schema not in (
        (unencrypted,) if isinstance(unencrypted, str) else tuple(unencrypted)
    )
    if has_trust(block) and not is_encrypted:
        refuse_without_tls(block)
    elif isinstance(trust, str):
        # A plugin that speaks another protocol has its own way to trust, or none.
        if not hasattr(sys.modules[type(plugin).__module__], "requests"):
            remedy = "remove it, and set SSL_CERT_FILE for the engine"
            block.fault("ca_file is for targets over HTTPS", remedy, "ca_file")
        if not plugin.verify_certificate:
            block.fault("ca_file has no effect with ?verify=no", "remove ?verify=no", *path)
    elif not trust:
        doubt_unverified(block, "verify")
    elif is_encrypted and not plugin.verify_certificate and not block.has("verify"):
        doubt_unverified(block, *path)
    if has_trust(block):
        for each in plugins:
            # They give it to requests, which takes a path as well.
            vars(each)["verify_certificate"] = trust


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


_NTFY: Final = frozenset({"ntfy", "ntfys"})
# Their plugins give a missing password to requests, which sends the word None.
_BASIC: Final = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", *_NTFY})
_AUTHORIZATION: Final = "authorization"

LoginDoubt = tuple[str, str]
"""What is odd, and the remedy."""
TOKEN_DOUBT: Final[LoginDoubt] = (
    "what stands before the @ is sent as an access token, though ntfy's begin with tk_",
    "write ntfy://USER:PASSWORD@… for a login, or add ?auth=token for a token of another kind",
)
HEADER_DOUBT: Final[LoginDoubt] = (
    "the login in the URL is sent in place of the header Authorization",
    "remove one of them",
)
NO_PASSWORD_DOUBT: Final[LoginDoubt] = (
    "the URL's user has no password, so that no login is sent",
    "write USER:PASSWORD@, or USER:@ for one without a password",
)


def has_authorization(headers: Iterable[str]) -> bool:
    """Whether one of the headers is the login."""
    return any(name.lower() == _AUTHORIZATION for name in headers)


def correct_login(keywords: dict[str, Any]) -> tuple[LoginDoubt, ...]:
    """Make the login of an Apprise URL what it means; what `check` warns of.

    `keywords` are those of the plugin, as its URL gave them. A user of ntfy without a password is a
    token, whatever it begins with: no server lets such a user in. What `?auth=` says stays.
    """
    schema, user = str(keywords["schema"]).lower(), keywords.get("user")
    doubts: list[LoginDoubt] = []
    if not user or schema not in _BASIC:
        return ()
    if keywords.get("password") is None:
        keywords["password"] = ""
        asked = keywords.get("qsd", {}).get("auth")
        if schema in _NTFY and not asked and not keywords.get("token"):
            keywords.update(auth="token", token=unquote(user), user=None)
            doubts.append(TOKEN_DOUBT)
    if has_authorization(keywords.get("headers") or ()):
        doubts.append(HEADER_DOUBT)
    return tuple(doubts)


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


class TlsDoubt(StrEnum):
    """What is odd about how a mail server is spoken to."""

    TLS_TOO_EARLY = "too early"
    TLS_TOO_LATE = "too late"
    CLEAR_PASSWORD = "clear password"  # noqa: S105 - a kind of doubt


@dataclass(frozen=True, slots=True)
class MailDoubt:
    """One of them, in words."""

    kind: TlsDoubt
    what: str


def mail_doubts(tls: Tls, port: int, *, has_password: bool) -> Iterator[MailDoubt]:
    """What is odd about TLS towards a port, and about a password without it."""
    if tls is Tls.SSL and port in _PLAIN_FIRST:
        what = f"TLS from the first byte towards port {port}, where servers begin without it"
        yield MailDoubt(TlsDoubt.TLS_TOO_EARLY, what)
    elif tls is not Tls.SSL and port == _TLS_FIRST:
        how = "STARTTLS" if tls is Tls.STARTTLS else "no TLS"
        what = f"{how} towards port {port}, where servers take TLS from the first byte only"
        yield MailDoubt(TlsDoubt.TLS_TOO_LATE, what)
    if tls is Tls.NONE and has_password:
        yield MailDoubt(TlsDoubt.CLEAR_PASSWORD, "the password goes over the network without TLS")
