"""Runs a command on rule files again whenever they change, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.reload.file_state import LONGEST_SECONDS, FileState, WatchedFiles, await_quiet
from engine.rules.faults import Faults
from engine.rules.load import test_files
from engine.watchlist.watchlist import FileMark

#: How often the files are looked at while no change is reported.
LOOK_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Round:
    """One run on rule files: its exit code, and the files of the watchlists that they name."""

    status: int
    lists: tuple[Path, ...] = ()


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Add the argument `--watch`."""
    parser.add_argument(
        "--watch", action="store_true", help="run again whenever a file changes, until Ctrl-C"
    )


def run_or_watch(is_watching: bool, paths: Sequence[Path], run: Callable[[], Round]) -> int:
    """Call `run` once, or at each change of the files of `paths`; returns its exit code.

    Watchlists that the rules name are watched too.
    """
    if not is_watching:
        return run().status
    return _Watch(paths, run).until_interrupted()


class _Watch:
    def __init__(self, paths: Sequence[Path], run: Callable[[], Round]) -> None:
        self._paths = paths
        self._files = [WatchedFiles(path) for path in paths]
        self._lists: tuple[Path, ...] = ()
        self._run = run
        # Its library takes time to import, which each command on rule files would pay for.
        from engine.reload.notifier import Notifier

        self._notifier = Notifier(lambda: False, LOOK_SECONDS)

    def until_interrupted(self) -> int:
        """Run at each change; returns the exit code of the last run."""
        status = 0
        try:
            while True:
                before = self._look()
                done = self._run()
                status = done.status
                seen = self._with_lists(before, done.lists)
                sys.stdout.write("watching for changes, Ctrl-C ends it\n")
                sys.stdout.flush()
                changed = self._changes(seen)
                sys.stdout.write(f"\nchanged: {', '.join(map(str, changed))}\n")
        except KeyboardInterrupt:
            return status
        finally:
            self._notifier.close()

    def _changes(self, seen: FileState) -> Sequence[Path]:
        """Wait for a change and for its end; returns the files that differ from those `seen`."""
        now, places = self._look(), self._places()
        while now == seen:
            self._notifier.wait(places)
            places, now = self._places(), self._look()
        until = time.monotonic() + LONGEST_SECONDS
        now = await_quiet(self._look, _sleep, time.monotonic, until)
        names = {*seen.marks, *now.marks}
        return sorted(path for path in names if seen.marks.get(path) != now.marks.get(path))

    def _with_lists(self, seen: FileState, lists: tuple[Path, ...]) -> FileState:
        """Watch these lists from now on; returns `seen` with their state in it.

        Those that were not watched before were read just now.
        """
        former = {*self._lists} - {*lists}
        self._lists = lists
        now = self._look().marks
        marks = {path: mark for path, mark in seen.marks.items() if path not in former}
        return FileState({**{path: now[path] for path in lists}, **marks})

    def _look(self) -> FileState:
        # Files of tests count here, which `WatchedFiles` leaves out for the engine.
        self._files[0].lists = (*self._lists, *test_files(self._paths, Faults()))
        marks: dict[Path, FileMark | None] = {}
        for files in self._files:
            marks.update(files.look().marks)
        return FileState(marks)

    def _places(self) -> Mapping[Path, tuple[int, int]]:
        return {path: seen for files in self._files for path, seen in files.places().items()}


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False
