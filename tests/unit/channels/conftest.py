"""Trust in the tests' own certificates, and stand-ins for the services outside."""

from __future__ import annotations

import pytest

from tests.support.certificates import Certificates
from tests.support.services import Services
from tests.unit.channels.samples import set_environment


@pytest.fixture
def trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, certificates.environment)


@pytest.fixture
def outside(services: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    set_environment(monkeypatch, services.environment)
    return services
