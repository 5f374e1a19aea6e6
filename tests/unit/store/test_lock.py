"""One engine a store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import StoreInUseError
from engine.store.lock import StoreLock


def test_a_second_lock_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "alerts.db.lock"
    lock = StoreLock(path)
    with pytest.raises(StoreInUseError, match=rf"process {os.getpid()}\) uses .*alerts\.db, stop"):
        StoreLock(path)
    lock.release()


def test_a_released_lock_can_be_taken(tmp_path: Path) -> None:
    StoreLock(tmp_path / "lock").release()
    StoreLock(tmp_path / "lock").release()


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    lock = StoreLock(tmp_path / "lock")
    lock.release()
    lock.release()


def test_a_file_that_can_not_be_made_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        StoreLock(tmp_path / "missing" / "lock")
