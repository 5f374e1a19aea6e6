"""Opens the store in one SQLite file: makes it if it is new, checks it, and locks it.

Here too: whether the file outlives its container, by the kernel's list of mounts.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

from engine.errors import StoreError, StoreInUseError
from engine.store.connection import (
    Connection,
    Connections,
    Durability,
    Location,
    check_version,
    connect,
    file_error,
    has_tables,
    identity_of,
    parse_state_url,
    store_error,
)
from engine.store.model import OpenMode
from engine.store.sides import ArchiveSide, DeliverySide, StreamSide

# Up to this size the whole file is checked at the start, which takes a fraction of a second.
CHECKED_BYTES: Final = 64 << 20

# What the list of mounts says of a file that does not outlive its container.
MOUNTS: Final = Path("/proc/self/mountinfo")
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_IN_THE_CONTAINER: Final = frozenset({"overlay", "fuse.fuse-overlayfs", "aufs"})
# The volume that Docker and Podman make for a VOLUME of the image if the user names none.
_UNNAMED_VOLUME: Final = re.compile(r"/volumes/[0-9a-f]{64}/_data$")
_EMPTY_DIR: Final = "/volumes/kubernetes.io~empty-dir/"
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


class SqliteStore(StreamSide, DeliverySide, ArchiveSide):
    """A store in a SQLite file; `open_store` opens one."""

    def __init__(
        self,
        connections: Connections,
        lock: StoreLock | None,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(connections, clock)
        self._lock = lock

    def close(self) -> None:
        """Close the files and release the lock; later calls raise StoreUnavailableError."""
        connections = self._connections
        connections.archive_reader.close()
        connections.delivery_reader.close()
        connections.delivery.close()
        connections.stream.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_store(
    url: str,
    mode: OpenMode = OpenMode.ENGINE,
    *,
    clock: Callable[[], float] = time.time,
    busy_timeout_seconds: float = 5.0,
) -> SqliteStore:
    """Opens the store that `url` (`STATE_URL`) names.

    The engine creates folder and file if they are missing, readable by their owner only, and locks
    the store; a tool opens what is there, beside a running engine too. `clock` gives seconds since
    the epoch; `busy_timeout_seconds` is how long to wait for a writer in another process.

    Raises StoreError for a wrong URL, a damaged file or another schema version, StoreInUseError
    beside another engine, and StoreUnavailableError for what may pass by itself.
    """
    location = parse_state_url(url)
    lock = None
    if mode is OpenMode.ENGINE:
        lock = _locked(location.path)
    try:
        identity = _prepare(location, mode, busy_timeout_seconds)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    gate = threading.Lock()

    def connection(durability: Durability) -> Connection:
        return Connection(location, identity, durability, gate, busy_timeout_seconds)

    connections = Connections(
        stream=connection(Durability.FULL),
        delivery=connection(Durability.NORMAL),
        delivery_reader=connection(Durability.NORMAL),
        archive_reader=connection(Durability.NORMAL),
    )
    return SqliteStore(connections, lock, clock)


class StoreLock:
    """An exclusive lock on a file beside the store, from construction to `release()`.

    Raises StoreInUseError if another process, or this one, has it; OSError if the file can't be
    created.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
            self.release()
            raise StoreInUseError(
                f"another alert engine (process {holder or 'unknown'}) uses the store "
                f"{path.with_suffix('')}, stop it or give this one another STATE_URL"
            ) from None
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock. The file stays: removing it would be a race with the next process."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: its mount point, the folder of the file system shown there, the system's type."""

    point: Path
    root: str
    kind: str


def why_temporary(state_url: str, mounts: str | None = None) -> str:
    """Says why the store at `state_url` is lost with its container; "" if it is not.

    `mounts` is the text of /proc/self/mountinfo, read if not given; "" also where there is none.
    Raises StoreError for a `state_url` that names no file.
    """
    path = parse_state_url(state_url).path
    if mounts is None:
        try:
            mounts = MOUNTS.read_text()
        except OSError:
            return ""
    above = [mount for mount in _mounts(mounts) if path.is_relative_to(mount.point)]
    if not above:
        return ""
    # Of two mounts at one point, the later one is seen.
    mount = max(reversed(above), key=lambda each: len(each.point.parts))
    if mount.kind in _IN_MEMORY:
        return f"{mount.point} is in memory"
    if mount.kind in _IN_THE_CONTAINER:
        return f"{path.parent} is in the container's own file system"
    if _UNNAMED_VOLUME.search(mount.root):
        return f"{mount.point} is a volume without a name, which a new container does not get"
    if _EMPTY_DIR in mount.root:
        return f"{mount.point} is an emptyDir, which the pod takes with it"
    return ""


def _locked(path: Path) -> StoreLock:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return StoreLock(path.with_name(f"{path.name}.lock"))
    except OSError as error:
        raise file_error(path, error) from error


def _prepare(location: Location, mode: OpenMode, busy_timeout_seconds: float) -> tuple[int, int]:
    """Check the file, which the engine creates if it is missing; returns its identity."""
    path = location.path
    if mode is OpenMode.ENGINE:
        _create_file(path)
    elif not path.is_file():
        raise StoreError(
            f"there is no store {path}, give STATE_URL as the engine has it, or start the engine"
        )
    try:
        database = connect(location, Durability.FULL, busy_timeout_seconds)
        try:
            if mode is OpenMode.ENGINE and not has_tables(database):
                _create_tables(database)
            check_version(database, location)
            if mode is OpenMode.ENGINE:
                _check_whole(database, path)
            return identity_of(path)
        finally:
            database.close()
    except sqlite3.Error as error:
        raise store_error(path, error, is_start=True) from error
    except OSError as error:
        raise file_error(path, error) from error


def _create_file(path: Path) -> None:
    try:
        # Never open and close an existing file: that would release SQLite's locks on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        # The file's name must outlive a power cut too, so the folder is synced.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        return
    except OSError as error:
        raise file_error(path, error) from error


def _create_tables(database: sqlite3.Connection) -> None:
    schema = (files("engine.store") / "schema.sql").read_text("utf-8")
    try:
        database.executescript(f"BEGIN IMMEDIATE;\n{schema}\nCOMMIT;")
    except sqlite3.Error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _check_whole(database: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size > CHECKED_BYTES:
        return
    (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise StoreError(
            f"the store {path} is damaged ({' '.join(answer.split())}), restore a backup, or move "
            "the file and its -wal away to begin anew"
        )


def _mounts(text: str) -> list[Mount]:
    mounts = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()[:1]
        if len(fields) >= 5 and kind:
            mounts.append(Mount(Path(_unescaped(fields[4])), _unescaped(fields[3]), kind[0]))
    return mounts


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)
