"""What SQLite's errors mean for the engine, and their remedies."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from engine.errors import StoreError, StoreUnavailableError, UnstorableError

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# What was written is at fault: the store takes everything else.
_UNSTORABLE: Final = frozenset(
    {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
)
# What may pass by itself or be corrected: why, and the remedy.
_PASSING: Final = {
    sqlite3.SQLITE_FULL: ("its disk or its quota is full", "free some space"),
    sqlite3.SQLITE_BUSY: (
        "another process keeps it locked",
        "end whatever writes to it (a backup, an sqlite3 shell)",
    ),
    sqlite3.SQLITE_LOCKED: ("another connection keeps it locked", "wait, or restart the engine"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "make file and folder writable"),
    sqlite3.SQLITE_PERM: ("access is denied", "make file and folder writable"),
    sqlite3.SQLITE_CANTOPEN: ("it can't be opened", "check its folder, its owner and its mode"),
    sqlite3.SQLITE_IOERR: ("its disk fails", "check the disk and its free space"),
    sqlite3.SQLITE_NOMEM: ("memory is short", "give the engine more memory"),
    sqlite3.SQLITE_PROTOCOL: ("its locks fail", "put it on a local disk"),
    sqlite3.SQLITE_CORRUPT: (
        "it is damaged",
        "stop the engine and restore a backup, or move the file and its -wal away to begin anew",
    ),
}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 when the error is not SQLite's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_locked(error: sqlite3.Error) -> bool:
    """Whether the error is only a lock, and the connection is good."""
    return primary_code(error) in _LOCKED


def store_error(path: Path, error: sqlite3.Error, *, is_start: bool = False) -> StoreError:
    """Returns the StoreError for an error of SQLite.

    StoreUnavailableError for what may pass, UnstorableError where the store works and refuses what
    it was given, StoreError otherwise; damage counts as passing but at the start.
    """
    code = primary_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        code = sqlite3.SQLITE_CORRUPT
    if code in _UNSTORABLE:
        return UnstorableError(f"the store {path} does not take it: {error}")
    if code not in _PASSING:
        return StoreError(f"the store {path} failed: {error}")
    what, remedy = _PASSING[code]
    kind = StoreError if is_start and code in _DAMAGED else StoreUnavailableError
    return kind(f"the store {path} can't be used: {what} ({error}), {remedy}")


def file_error(path: Path, error: OSError) -> StoreUnavailableError:
    """Returns the StoreUnavailableError for an error of the operating system."""
    if isinstance(error, FileNotFoundError):
        return StoreUnavailableError(
            f"the store {path} is gone, put it back, or restart the engine to begin a new one"
        )
    return StoreUnavailableError(
        f"the store {path} can't be used: {error.strerror or error}, "
        f"make its folder exist and be writable for user {os.geteuid()}"
    )
