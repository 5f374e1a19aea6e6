"""What a broker's refusals mean for whoever runs the engine, by librdkafka's words for them."""

from __future__ import annotations

import re
from typing import Final

#: Without a word of the broker's: it may be away, or ask for TLS and close without one.
UNREACHABLE: Final = (
    "start the broker, or correct KAFKA_BOOTSTRAP_SERVERS; where it asks for TLS or a login, set "
    "KAFKA_CONFIG_SECURITY_PROTOCOL"
)
_REMEDIES: Final = (
    (
        re.compile(r"Unsupported SASL mechanism|mechanism handshake failed"),
        "set KAFKA_CONFIG_SASL_MECHANISM to one that the broker has",
    ),
    (
        re.compile(r"SASL authentication|Authentication failed"),
        "correct KAFKA_CONFIG_SASL_USERNAME and KAFKA_CONFIG_SASL_PASSWORD",
    ),
    (
        re.compile(r"certificate verify failed|broker certificate could not be verified"),
        "name the file of the authority that signed the broker's certificate in "
        "KAFKA_CONFIG_SSL_CA_LOCATION, and the broker as in its certificate in "
        "KAFKA_BOOTSTRAP_SERVERS",
    ),
    (
        re.compile(r"alert (bad certificate|certificate required|unknown ca|handshake failure)"),
        "give the engine a certificate that the broker trusts: "
        "KAFKA_CONFIG_SSL_CERTIFICATE_LOCATION and KAFKA_CONFIG_SSL_KEY_LOCATION",
    ),
    (
        # Not "security.protocol": librdkafka guesses that of any broker that ends just then.
        re.compile(r"wrong version number"),
        "set KAFKA_CONFIG_SECURITY_PROTOCOL as the broker's listener has it",
    ),
)
_TOPIC: Final = "grant the engine's user Read on the topic"
_GROUP: Final = "grant the engine's user Read on the group KAFKA_GROUP_ID"


def away_remedy(reason: str) -> str:
    """What to do about a broker that does not answer for this reason, or lets nobody in."""
    return next((remedy for text, remedy in _REMEDIES if text.search(reason)), UNREACHABLE)


def denied_remedy(topic: str) -> str:
    """What to do where access to a topic, or to the group (""), is denied."""
    what = f"{_TOPIC} {topic}" if topic else _GROUP
    return f"{what}; it goes on once it is permitted"
