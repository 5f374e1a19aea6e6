"""Lets a thread wait until a watched file or folder changes, or until it is called."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Final

import structlog
from watchfiles import Change, watch

log = structlog.get_logger(__name__)

_STEP_MS: Final = 100
# Bounds how often a busy folder wakes the thread: the store may be beside the rules.
_DEBOUNCE_MS: Final = 250

Changes = Generator[set[tuple[Change, str]], None, None]
Places = Mapping[Path, tuple[int, int]]
"""Paths with their device and inode: a path that is another folder now has to be watched anew."""


class Notifier:
    """Watches files and folders for one thread, which calls `wait`."""

    def __init__(self, is_called: Callable[[], bool], longest_seconds: float) -> None:
        """`wait` returns early where `is_called` returns True, and after `longest_seconds`."""
        self._is_called = is_called
        self._longest_seconds = longest_seconds
        self._places: Places = {}
        # Yields the changes of each step, an empty set where there are none; it keeps those between
        # two steps for the next. None where nothing can be watched.
        self._changes: Changes | None = None
        self._is_logged = False

    def wait(self, places: Places) -> bool:
        """Wait for a change in one of `places`; returns whether there was one.

        For places that were not watched before it returns within a step, for it knows nothing of
        earlier changes: the caller has to look.
        """
        is_new = places != self._places
        if is_new or self._changes is None:
            has_changed = self._watch(places)
            if is_new or has_changed:
                return has_changed
        for _ in range(math.ceil(self._longest_seconds * 1_000 / _STEP_MS)):
            if self._is_called():
                return False
            if self._changes is None:
                time.sleep(_STEP_MS / 1_000)
            elif self._has_changed(self._changes):
                return True
        return False

    def close(self) -> None:
        """Stop watching."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None

    def _watch(self, places: Places) -> bool:
        """Watch these places from now on; returns whether one has changed already."""
        self.close()
        self._places = places
        self._changes = watch(
            *places,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            # `is_called` is asked between two steps. A `stop_event` would end the watching.
            rust_timeout=_STEP_MS,
            yield_on_timeout=True,
            debug=False,
            force_polling=False,
            recursive=False,
            ignore_permission_denied=True,
        )
        # The operating system is asked to watch by the first step.
        return self._has_changed(self._changes)

    def _has_changed(self, changes: Changes) -> bool:
        """Wait for a step, or longer while changes go on; returns whether there were any."""
        try:
            return bool(next(changes))
        except FileNotFoundError:
            # One of the places is gone; the caller passes others to the next call.
            self._changes = None
        except (OSError, RuntimeError, ValueError) as error:
            # A limit of the system, or a name that is not UTF-8.
            self._changes = None
            self._log_not_notified(error)
        return False

    def _log_not_notified(self, error: Exception) -> None:
        if not self._is_logged:
            self._is_logged = True
            log.warning(
                "rules.not_notified",
                error=str(error),
                remedy=f"none needed: the files are looked at every {self._longest_seconds:g} s",
            )
