"""Checks for `/readyz` that the store can be written, also where a write hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from engine.errors import StoreError
from engine.health import Check

#: How long a write of the store may take before `/readyz` calls it stuck.
PATIENCE_SECONDS: Final = 1.0


class StoreProbe:
    """Checks that the store can be written; any thread may ask, and all share one write."""

    def __init__(
        self, check_writable: Callable[[], None], patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._check_writable = check_writable
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._write: _Write | None = None

    def check(self) -> Check:
        """Write a small row; bad, with the reason, when that fails or takes too long."""
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
    """One write and its result."""

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
