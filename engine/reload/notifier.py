"""Wakes a thread when something changes in watched places, or when it is called."""

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
# A place where much goes on (the store may be beside the rules) wakes no more often.
_DEBOUNCE_MS: Final = 250

Changes = Generator[set[tuple[Change, str]], None, None]
Places = Mapping[Path, tuple[int, int]]
"""Files and folders by device and inode: a path that is another folder now is watched anew."""


class Notifier:
    """One thread waits; `is_called` tells it from any other thread to wait no longer."""

    def __init__(self, is_called: Callable[[], bool], longest_seconds: float) -> None:
        """`longest_seconds`: it wakes after that without a reason."""
        self._is_called = is_called
        self._longest_seconds = longest_seconds
        self._places: Places = {}
        # Gives the changes of each step, none where there are none; what happens meanwhile is kept
        # for the next one. None where nothing can be watched.
        self._changes: Changes | None = None
        self._is_deaf = False

    def wait(self, places: Places) -> bool:
        """Return when something may have happened in one of `places`; whether it has for sure.

        Within a step when they are others than before: what happened until now is for the caller to
        see.
        """
        is_news = places != self._places
        if is_news or self._changes is None:
            has_happened = self._listen(places)
            if is_news or has_happened:
                return has_happened
        for _ in range(math.ceil(self._longest_seconds * 1_000 / _STEP_MS)):
            if self._is_called():
                return False
            if self._changes is None:
                time.sleep(_STEP_MS / 1_000)
            elif self._has_happened(self._changes):
                return True
        return False

    def close(self) -> None:
        """Watch nothing any more."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None

    def _listen(self, places: Places) -> bool:
        """Watch these places from here on; whether something has happened there already."""
        self.close()
        self._places = places
        self._changes = watch(
            *places,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            # Asked between two steps and not by a `stop_event`, which would end the watching: a
            # call to look is not the end of it.
            rust_timeout=_STEP_MS,
            yield_on_timeout=True,
            debug=False,
            force_polling=False,
            recursive=False,
            ignore_permission_denied=True,
        )
        # The system is asked to watch in the first step only.
        return self._has_happened(self._changes)

    def _has_happened(self, changes: Changes) -> bool:
        """Wait for a step, longer while something goes on; whether something has happened."""
        try:
            return bool(next(changes))
        except FileNotFoundError:
            # A place that is gone by now; the next call is for those that are left.
            self._changes = None
        except (OSError, RuntimeError, ValueError) as error:
            # A limit of the system, or a name that is not UTF-8.
            self._changes = None
            self._tell(error)
        return False

    def _tell(self, error: Exception) -> None:
        if not self._is_deaf:
            self._is_deaf = True
            log.warning(
                "rules.not_notified",
                error=str(error),
                remedy=f"none needed: the files are looked at every {self._longest_seconds:g} s",
            )
