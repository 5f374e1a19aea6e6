"""Tells addresses that no alert is sent to unless a channel allows it: link-local and metadata.

At such addresses clouds hand out credentials to whoever asks from the machine itself. A URL in a
rule file, or a name that its owner lets point there, must not make the engine ask. Loopback and
private networks are not among them: sites have their receivers there.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, Final

REMEDY: Final = "send to another host, or set allow_link_local: true on the channel"
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NETWORKS: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        # RFC 3927; the metadata services of AWS, Azure, Google, Oracle and others are here.
        "169.254.0.0/16",
        # RFC 4291, 2.5.6.
        "fe80::/10",
    )
)
_METADATA: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        # AWS: metadata fd00:ec2::254, names ::253, credentials of pods ::23.
        "fd00:ec2::/32",
        # Google.
        "fd20:ce::254/128",
        # Oracle.
        "fd00:c1::a9fe:a9fe/128",
        # Alibaba.
        "100.100.100.200/32",
        # Azure's agent.
        "168.63.129.16/32",
    )
)
#: RFC 6052: an IPv4 address behind NAT64.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_LAST_32_BITS: Final = 0xFFFF_FFFF


class LinkLocalError(OSError):
    """A connection to a link-local or metadata address, which the channel does not allow."""


def refused_kind(host: str) -> str:
    """`link-local` or `a metadata service` for an address of that kind; empty for all else.

    `host` is an address as URLs and sockets have them, in any notation: with brackets or a zone, in
    hexadecimal or as one number (inet_aton), and IPv4 inside IPv6. A name is not looked up.
    """
    address = _address(host)
    if address is None:
        return ""
    address = _inner(address)
    if any(address in network for network in _NETWORKS):
        return "link-local"
    return "a metadata service" if any(address in network for network in _METADATA) else ""


def checked(kind: socket.socket, address: Any) -> Any:
    """The address to connect to in place of `address`, which is as sockets take it.

    A name is looked up here, so that what was checked is what is connected to. Raises
    LinkLocalError for a refused one, and OSError for a name that is not found.
    """
    if kind.family not in (socket.AF_INET, socket.AF_INET6):
        return address
    host = address[0]
    if isinstance(host, str) and host and _address(host) is None:
        address = socket.getaddrinfo(host, address[1], kind.family, kind.type)[0][4]
        host = address[0]
    if isinstance(host, str) and (found := refused_kind(host)):
        raise LinkLocalError(f"the host's address {host} is {found}: {REMEDY}")
    return address


def _address(host: str) -> _Address | None:
    text = host.strip("[]").partition("%")[0]
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except (OSError, UnicodeError, ValueError):
        return None


def _inner(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address leads to; any other one as it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    found = address.ipv4_mapped or address.sixtofour
    if found is None and address in _NAT64:
        found = ipaddress.IPv4Address(int(address) & _LAST_32_BITS)
    return found or address
