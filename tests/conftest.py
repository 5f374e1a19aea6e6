"""Fixtures that every kind of test may use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from channels import redact
from tests.support.broker_choice import choose_broker
from tests.support.certificates import Certificates
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import STRICT, Broker, RealKafka, describe, is_required
from tests.support.kafka_jars import KafkaUnavailableError, missing_tool
from tests.support.postgresql import PostgreSQL, PostgreSQLUnavailableError
from tests.support.postgresql import is_required as is_postgresql_required
from tests.support.services import Services
from tests.support.shared_kafka import SharedKafka, shared_address
from tests.support.smtp_receiver import SmtpReceiver

# Fixtures that are a server or its client; the last three are those of tests/unit/stream.
SERVERS = frozenset(
    {
        *("broker", "own_kafka", "strict_kafka", "services"),
        *("postgresql", "own_postgresql"),
        *("http_receiver", "https_receiver", "smtp_receiver"),
        *("kafka", "cluster", "consumers"),
    }
)
# How long an example takes depends on what else the machine does. What is made up is the same in
# every run, but in that of `make fuzz`: a fault that few cases meet is found there, not in a gate.
for _name, _is_same in (("same", True), ("random", False)):
    settings.register_profile(
        _name,
        deadline=None,
        derandomize=_is_same,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("same")
SMTP_USERNAME = "alerts@example.com"
# Hard on whatever puts it into a URL.
SMTP_PASSWORD = "p@ss/w#rd%41?&"


@pytest.fixture(autouse=True)
def _secrets_of_this_test() -> Iterator[None]:
    """What a test makes known as a secret is masked in no later test."""
    memory = redact._process
    secrets, pattern, is_stale = set(memory._secrets), memory._pattern, memory._is_stale
    yield
    memory._secrets, memory._pattern, memory._is_stale = secrets, pattern, is_stale


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our option."""
    parser.addoption(
        "--one-kafka",
        action="store_true",
        help="with `-n`: one Kafka for all processes, started at once, in place of one for each",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register what begins and ends with the run."""
    if config.getoption("--one-kafka"):
        config.pluginmanager.register(SharedKafka())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what has a server as a test that waits."""
    for item in items:
        if not SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.waits)


def pytest_report_header() -> str:
    """Say which broker the run uses."""
    return describe()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The tests' own certificate authority."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """The run's broker, shared: use topics and groups of your own."""
    with choose_broker(shared_address(request.config)) as chosen:
        yield chosen


@pytest.fixture
def own_kafka() -> Iterator[RealKafka]:
    """A real Kafka for one test, to be stopped, killed and frozen."""
    with _real_kafka() as kafka:
        yield kafka


@pytest.fixture(scope="module")
def strict_kafka() -> Iterator[RealKafka]:
    """A real Kafka in which access can be denied, and topics are made by nobody but a test."""
    with _real_kafka(STRICT) as kafka:
        yield kafka


@contextlib.contextmanager
def _real_kafka(properties: str = "") -> Iterator[RealKafka]:
    if (reason := missing_tool()) and not is_required():
        pytest.skip(f"needs a real Kafka: {reason}")
    try:
        kafka = RealKafka(properties)
    except KafkaUnavailableError as error:
        if is_required():
            raise
        pytest.skip(f"needs a real Kafka: {error}")
    with kafka:
        yield kafka


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The PostgreSQL of this process, shared: use a database of your own, and leave it running."""
    with _real_postgresql() as server:
        yield server


@pytest.fixture
def own_postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL for one test, to be stopped, killed and frozen."""
    with _real_postgresql() as server:
        yield server


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[str]:
    """The URL of an empty database for one test."""
    url = postgresql.create_database()
    yield url
    postgresql.drop_database(url)


@contextlib.contextmanager
def _real_postgresql() -> Iterator[PostgreSQL]:
    try:
        server = PostgreSQL()
    except PostgreSQLUnavailableError as error:
        if is_postgresql_required():
            raise
        pytest.skip(f"needs PostgreSQL: {error}")
    with server:
        yield server


@pytest.fixture
def services(certificates: Certificates) -> Iterator[Services]:
    """Slack and Twilio, behind a proxy."""
    with Services(certificates) as running:
        yield running


@pytest.fixture
def https_receiver(certificates: Certificates) -> Iterator[HttpReceiver]:
    """An HTTPS server on `localhost` that takes everything."""
    with HttpReceiver(certificates.local_server()) as running:
        yield running


@pytest.fixture
def http_receiver() -> Iterator[HttpReceiver]:
    """An HTTP server that takes everything."""
    with HttpReceiver() as running:
        yield running


@pytest.fixture
def smtp_receiver(certificates: Certificates) -> Iterator[SmtpReceiver]:
    """A mail server with STARTTLS and AUTH on `localhost`."""
    with SmtpReceiver(certificates.local_server(), SMTP_USERNAME, SMTP_PASSWORD) as running:
        yield running


@pytest.fixture
def repository() -> Path:
    """The repository's root."""
    return Path(__file__).parents[1]
