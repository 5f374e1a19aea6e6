"""The lock that keeps a second engine from a SQLite store."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from engine.errors import StoreInUseError


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
