"""Which certificates a target over HTTPS is believed by: `ca_file` and `verify`.

`ca_file` is a file of certificates in PEM, which are trusted in place of all others: a private
authority's, or a server's own. Its path is relative to the working directory. `verify: false`
believes anyone.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from typing import Final

import urllib3
from apprise import NotifyBase

from channels.block import Block
from channels.variables import Path

TRUST_KEYS: Final = ("ca_file", "verify")
#: True for the usual authorities, False for anyone, or the path of the certificates to trust.
Trust = bool | str
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


def apply_trust(block: Block, plugins: Sequence[NotifyBase], path: Path) -> None:
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
