"""The addresses of Kafka's brokers, checked: librdkafka would look for a wrong one for ever."""

from __future__ import annotations

import re
from typing import Final

PROTOCOLS: Final = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_SCHEME: Final = re.compile(r"([^:/]*)://(.*)")
_ADDRESS: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+):(?P<port>[0-9]{1,5})")
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]|[\w.-]+:?")
_LAST_PORT: Final = 65_535


def read_brokers(text: str) -> str:
    """The addresses without blanks around them; ValueError says what is wrong with the first.

    Each is `host:port`, perhaps with a protocol of Kafka's in front: `SASL_SSL://host:port`.
    """
    return ",".join(_address(part.strip()) for part in text.split(","))


def protocols_in(brokers: str) -> tuple[str, ...]:
    """The protocols that stand in front of the addresses, in small letters, each once."""
    found = (_SCHEME.fullmatch(part) for part in brokers.split(","))
    return tuple(dict.fromkeys(each[1].lower() for each in found if each))


def _address(part: str) -> str:
    if not part:
        raise ValueError("has an empty entry, write host:port, separated by commas")
    if "@" in part:
        # It may hold a password.
        raise ValueError(
            "holds a login, write host:port, and set KAFKA_CONFIG_SASL_USERNAME and "
            "KAFKA_CONFIG_SASL_PASSWORD"
        )
    scheme = _SCHEME.fullmatch(part)
    if scheme is not None and scheme[1].lower() not in PROTOCOLS:
        raise ValueError(
            f"{part!r} is no address of Kafka's, write host:port without {scheme[1]}://"
        )
    address = scheme[2] if scheme is not None else part
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) <= _LAST_PORT:
        raise ValueError(f"{part!r} is not host:port{_hint(address)}")
    return part


def _hint(address: str) -> str:
    if re.search(r"[\s;]", address):
        return ", separate addresses by commas"
    if _HOST.fullmatch(address):
        return f", write {address.rstrip(':')}:9092, or the port that your brokers listen on"
    if address.count(":") > 1:
        return ", write an IPv6 address in brackets, like [::1]:9092"
    return ", write it like kafka.example.org:9092"
