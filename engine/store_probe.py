"""Whether the store can be written just now, without keeping the asker waiting for it.

A lock of another process, or a disk that hangs, would hold up a write for seconds: `/readyz` has to
answer meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from engine.errors import StoreError
from engine.web import Check

PATIENCE_SECONDS: Final = 1.0


class StoreProbe:
    """Writes a small row when it is asked, one at a time however many ask; from any thread."""

    def __init__(
        self, check_writable: Callable[[], None], patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._check_writable = check_writable
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._write: _Write | None = None

    def check(self) -> Check:
        """Good once the row is written; not good with the reason, or when that takes too long."""
        with self._lock:
            if self._write is None or self._write.is_over.is_set():
                self._write = _Write(self._check_writable)
                # A daemon: a disk that hangs for ever must not keep the process from ending.
                threading.Thread(target=self._write.run, name="store-probe", daemon=True).start()
            write = self._write
        if not write.is_over.wait(self._patience_seconds):
            seconds = f"{self._patience_seconds:g} s"
            return Check(False, f"a write takes more than {seconds}: locked, or its disk hangs")
        return Check(not write.problem, write.problem or "writable")


class _Write:
    """One write and what became of it."""

    def __init__(self, check_writable: Callable[[], None]) -> None:
        self._check_writable = check_writable
        self.is_over = threading.Event()
        self.problem = "the check failed"

    def run(self) -> None:
        try:
            self._check_writable()
            self.problem = ""
        except StoreError as error:
            self.problem = str(error)
        finally:
            self.is_over.set()
