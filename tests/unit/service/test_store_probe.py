from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StoreUnavailableError
from engine.health import Check
from engine.service.http import StoreProbe
from engine.store import open_store
from tests.support.patience import PATIENCE_SECONDS


class HangingDisk:
    """A write that takes until it is told to end."""

    def __init__(self) -> None:
        self.writes = 0
        self.has_begun = threading.Event()
        self.has_ended = threading.Event()

    def write(self) -> None:
        self.writes += 1
        self.has_begun.set()
        self.has_ended.wait()


@pytest.fixture
def disk() -> Iterator[HangingDisk]:
    hanging = HangingDisk()
    yield hanging
    hanging.has_ended.set()


def test_a_store_that_can_be_written_is_good(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        probe = StoreProbe(store.archive.check_writable, PATIENCE_SECONDS)
        assert probe.check() == Check(True, "writable")


def test_a_store_that_refuses_is_not_good_and_says_why(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/alerts.db") as store:
        probe = StoreProbe(store.archive.check_writable, PATIENCE_SECONDS)
    check = probe.check()
    assert (check.is_good, check.detail) == (False, "the store is closed")


def test_each_question_is_asked_of_the_store_anew() -> None:
    answers = [StoreUnavailableError("full"), None]

    def write() -> None:
        if (problem := answers.pop(0)) is not None:
            raise problem

    probe = StoreProbe(write, PATIENCE_SECONDS)
    assert [probe.check().is_good, probe.check().is_good] == [False, True]


def test_a_store_that_hangs_is_not_waited_for_and_not_asked_twice(disk: HangingDisk) -> None:
    probe = StoreProbe(disk.write, patience_seconds=0.01)
    checks = [probe.check() for _ in range(3)]
    assert {check.is_good for check in checks} == {False}
    assert "more than 0.01 s" in checks[0].detail
    assert disk.has_begun.wait(PATIENCE_SECONDS)
    assert disk.writes == 1


def test_a_store_that_hung_is_good_again_once_it_answers(disk: HangingDisk) -> None:
    hasty = StoreProbe(disk.write, patience_seconds=0.01)
    assert not hasty.check().is_good
    disk.has_ended.set()
    assert StoreProbe(disk.write, PATIENCE_SECONDS).check().is_good
