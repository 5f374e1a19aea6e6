"""What to do about a broker's refusals, by the words that librdkafka has for them."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from engine.stream.refusals import UNREACHABLE, away_remedy, denied_remedy
from engine.stream.state import StateTracker

# As librdkafka 2.16 said them of a real Kafka 4.
LOGIN = (
    "SASL authentication error: Authentication failed during authentication due to invalid "
    "credentials with SASL mechanism SCRAM-SHA-512 (after 309ms in state AUTH_REQ)"
)
CERTIFICATE = (
    "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker "
    "certificate could not be verified, verify that ssl.ca.location is correctly configured"
)
OWN = (
    "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert "
    "number 42 (after 0ms in state APIVERSION_QUERY)"
)
MECHANISM = (
    "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's "
    "supported mechanisms: SCRAM-SHA-512 (after 302ms in state AUTH_HANDSHAKE)"
)


@pytest.mark.parametrize(
    ("reason", "variable"),
    [
        (LOGIN, "KAFKA_CONFIG_SASL_PASSWORD"),
        (CERTIFICATE, "KAFKA_CONFIG_SSL_CA_LOCATION"),
        (OWN, "KAFKA_CONFIG_SSL_CERTIFICATE_LOCATION"),
        (MECHANISM, "KAFKA_CONFIG_SASL_MECHANISM"),
        ("h:1: 1/1 brokers are down", "KAFKA_CONFIG_SECURITY_PROTOCOL"),
        ("Connect to ipv4#127.0.0.1:1 failed: Connection refused", "KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_the_remedy_names_the_setting(reason: str, variable: str) -> None:
    assert variable in away_remedy(reason)


def test_denied_access_names_the_topic_or_the_group() -> None:
    assert "Read on the topic plates" in denied_remedy("plates")
    assert "KAFKA_GROUP_ID" in denied_remedy("")


def test_a_reason_that_comes_later_is_told_once_and_stays() -> None:
    tracker = StateTracker()
    with capture_logs() as lines:
        tracker.away("h:1: 1/1 brokers are down")
        for reason in (LOGIN, LOGIN, "no connection to any broker"):
            tracker.reported(False, reason)
    assert [line["remedy"] for line in lines] == [UNREACHABLE, away_remedy(LOGIN)]
    assert tracker.state.problem == LOGIN
    tracker.reached()
    assert (tracker.state.problem, tracker.state.remedy) == ("", "")
