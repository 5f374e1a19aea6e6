"""One Kafka for all processes of a run with `pytest -n`, where each would start one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.kafka import RealKafka, given_servers
from tests.support.kafka_jars import KafkaUnavailableError

_INPUT: Final = "shared_kafka"


def shared_address(config: pytest.Config) -> str | None:
    """The address of the run's Kafka, in a process of `-n`; None where there is none for all."""
    address = getattr(config, "workerinput", {}).get(_INPUT)
    assert address is None or isinstance(address, str)
    return address


class SharedKafka:
    """A plugin of the process that hands out the tests.

    The Kafka comes up while the others collect. Where there can be none, each chooses for itself.
    """

    def __init__(self) -> None:
        self._kafka: RealKafka | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell one of the processes the address, before it starts."""
        if self._kafka is None and not given_servers():
            try:
                self._kafka = RealKafka()
            except KafkaUnavailableError:
                return
        if self._kafka is not None:
            node.workerinput[_INPUT] = self._kafka.bootstrap_servers

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self) -> Iterator[None]:
        """Start the Kafka after the processes that need its address."""
        yield
        if self._kafka is not None:
            self._kafka.launch()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """End it; the processes that used it have ended."""
        if self._kafka is not None:
            self._kafka.close()
