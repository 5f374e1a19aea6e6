"""Wakes a thread when something happens in watched places, or when it is called.

It is a hint, not the truth: where the system can't tell (network shares, some mounts) the thread
wakes after a while by itself and looks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog
from watchfiles._rust_notify import RustNotify

log = structlog.get_logger(__name__)

_STEP_MS: Final = 100
# A place where much goes on (the store may be beside the rules) wakes no more often.
_DEBOUNCE_MS: Final = 250

Places = Mapping[Path, tuple[int, int]]
"""Files and folders by device and inode: a path that is another folder now is watched anew."""


class Alarm:
    """One thread waits; `is_called` tells it from any other thread to wait no longer."""

    def __init__(self, is_called: Callable[[], bool], longest_seconds: float) -> None:
        """`longest_seconds`: it wakes after that without a reason."""
        self._call = _Call(is_called)
        self._longest_seconds = longest_seconds
        self._places: Places = {}
        self._notify: RustNotify | None = None
        self._is_deaf = False
        # Never set: it is waited on.
        self._pause = threading.Event()

    def wait(self, places: Places) -> bool:
        """Return when something may have happened in one of `places`; whether it has for sure.

        At once when they are others than before: what happened until now is for the caller to see.
        """
        if self._notify is None or places != self._places:
            is_news = places != self._places
            self._listen(places)
            if is_news:
                return False
        if self._notify is None:
            self._sleep()
            return False
        longest_ms = int(self._longest_seconds * 1_000)
        return isinstance(self._notify.watch(_DEBOUNCE_MS, _STEP_MS, longest_ms, self._call), set)

    def close(self) -> None:
        """Watch nothing any more."""
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def _listen(self, places: Places) -> None:
        self.close()
        self._places = places
        try:
            self._notify = RustNotify(
                [str(place) for place in places],
                debug=False,
                force_polling=False,
                poll_delay_ms=0,
                recursive=False,
                ignore_permission_denied=True,
            )
        except FileNotFoundError:
            # A place that is gone by now; the next call is for those that are left.
            return
        except (OSError, RuntimeError, ValueError) as error:
            # A limit of the system, or a name that is not UTF-8.
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._is_deaf:
            self._is_deaf = True
            log.warning(
                "rules.not_notified",
                error=str(error),
                remedy=f"none needed: the files are looked at every {self._longest_seconds:g} s",
            )

    def _sleep(self) -> None:
        left = self._longest_seconds
        while left > 0 and not self._call.is_set():
            self._pause.wait(_STEP_MS / 1_000)
            left -= _STEP_MS / 1_000


class _Call:
    """What watchfiles asks whether to stop."""

    def __init__(self, is_called: Callable[[], bool]) -> None:
        self._is_called = is_called

    def is_set(self) -> bool:
        """Whether the thread is called."""
        return self._is_called()
