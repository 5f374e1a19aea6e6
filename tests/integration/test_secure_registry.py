"""A schema registry over TLS with a login: what works, and what each refusal tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.demo.street import EventPublisher
from tests.support.certificates import Certificates
from tests.support.handbook import PAGES, table
from tests.support.kafka import Broker
from tests.support.secure_registry import SecureRegistry
from tests.support.sightings import sighting
from tests.support.site import EVENT_SCHEMA, Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PASSWORD, WRONG = "reg-pa55word", "wr0ng-pa55word"
RULES = 'rules: [{id: every, when: "true"}]\n'
LOGIN, AUTHORITY = "BASIC_AUTH_USER_INFO", "SSL_CA_LOCATION"
GOOD = {LOGIN: f"engine:{PASSWORD}", AUTHORITY: "{ca}"}


@pytest.fixture(scope="module")
def registry(certificates: Certificates) -> Iterator[SecureRegistry]:
    with SecureRegistry(certificates, credentials=GOOD[LOGIN]) as running:
        yield running


#: By the page's rows: the options, another scheme of the URL, and what the engine says.
CASES: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    "TLS and a login": (GOOD, "https", ""),
    "a login in the URL": ({AUTHORITY: "{ca}"}, f"https://engine:{PASSWORD}@", ""),
    "another authority": ({**GOOD, AUTHORITY: "{foreign}"}, "https", "SSL_CA_LOCATION"),
    "wrong password": ({**GOOD, LOGIN: f"engine:{WRONG}"}, "https", "BASIC_AUTH_USER_INFO"),
    "no password": ({AUTHORITY: "{ca}"}, "https", "BASIC_AUTH_USER_INFO"),
    "`http://` where it speaks TLS": ({LOGIN: GOOD[LOGIN]}, "http", "SCHEMA_REGISTRY_URL"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_registry_that_lets_nobody_in_is_told_with_the_option_to_correct(
    broker: Broker,
    registry: SecureRegistry,
    certificates: Certificates,
    tmp_path: Path,
    case: str,
) -> None:
    options, scheme, words = CASES[case]
    rows = {row[0]: row[1] for row in table(PAGES["security.md"], "The registry with").rows}
    assert (words or "works") in rows[case]
    folder = tmp_path / "foreign"
    folder.mkdir()
    files = {"ca": certificates.bundle, "foreign": Certificates(folder).bundle}
    start = scheme if "://" in scheme else f"{scheme}://"
    environment = {
        f"SCHEMA_REGISTRY_CONFIG_{name}": value.format(**files) for name, value in options.items()
    }
    url = registry.url.replace("https://", start)
    site = Site(tmp_path, broker, url, RULES, environment)
    with site.start() as engine:
        engine.wait_ready()
        see(site, registry, certificates)
        if words:
            engine.wait_for_check("consuming", words)
            engine.wait_for_line(f'{words}.*"level": "(warning|error)"')
        else:
            site.await_consumed()
            assert len(site.alerts()) == 1
        assert engine.stop() == 0
        assert PASSWORD not in engine.output
        assert WRONG not in engine.output
    if not words:
        status, out, err = site.command("replay", "kafka", "--since", "1h")
        assert (status, "every" in out) == (0, True), (out, err)
        assert PASSWORD not in out + err


def see(site: Site, registry: SecureRegistry, certificates: Certificates) -> None:
    """Publish one sighting, as a producer that is let in."""
    options = {
        "basic.auth.user.info": GOOD[LOGIN],
        "ssl.ca.location": str(certificates.bundle),
    }
    servers, text = site.broker.bootstrap_servers, EVENT_SCHEMA.read_text()
    with EventPublisher(
        servers, registry.url, text, site.topic, registry_options=options
    ) as publisher:
        publisher.publish(sighting("ABC123", datetime.now(UTC)))
