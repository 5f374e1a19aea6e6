"""Waiting in tests: for the very thing that is asserted, as long as a busy machine needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: A wait that ends well costs what it takes; this is when a test gives up.
PATIENCE_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 0.01


def await_that(
    is_so: Callable[[], bool],
    told: Callable[[], object] = lambda: "it did not come to pass",
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    step_seconds: float = _STEP_SECONDS,
) -> None:
    """Return once `is_so()`, asked every `step_seconds`; AssertionError with `told()` if never.

    A test asserts at once only what its last wait was for. What another thread does a moment
    later, such as a log line behind a metric, is another thing to wait for.
    """
    deadline = time.monotonic() + patience_seconds
    while not is_so():
        assert time.monotonic() < deadline, told()
        time.sleep(step_seconds)
