"""The state of watched files: which have changed since they were read, and whether any still do."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from engine.rules.faults import Faults
from engine.rules.load import rule_files
from engine.watchlist.reader import MAX_FILE_BYTES
from engine.watchlist.watchlist import FileMark

T = TypeVar("T")

#: Files are read after they have not changed for so long.
QUIET_SECONDS: Final = 0.5
#: Files that go on changing are read after so long; a slow copy of a long list takes less.
LONGEST_SECONDS: Final = 60.0
#: How often `await_quiet` looks.
STEP_SECONDS: Final = 0.1
#: The length of the digest of a file.
DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class FileState:
    """What all watched files looked like at one moment; equal states mean unchanged files.

    `marks` has each file's mark (device, inode, size and time of change), None where it is missing
    or can't be read. `cut_off` are files without a name on their file system: a container's mounted
    file that was replaced outside. They don't count in a comparison.
    """

    marks: Mapping[Path, FileMark | None]
    cut_off: tuple[Path, ...] = field(default=(), compare=False)


class WatchedFiles:
    """The rule files of a path, and `lists`, the files of the watchlists that they name."""

    def __init__(self, rules_path: Path) -> None:
        self.rules_path: Final = rules_path
        self.lists: tuple[Path, ...] = ()
        self._digests: dict[Path, tuple[FileMark, str]] = {}

    def look(self) -> FileState:
        """The state of the files now."""
        files = rule_files([self.rules_path], Faults())
        found = dict.fromkeys((self.rules_path, *files, *self.lists))
        marks: dict[Path, FileMark | None] = {}
        cut_off = []
        for path in found:
            marks[path], links = _mark(path)
            if links == 0:
                cut_off.append(path)
        return FileState(marks, tuple(cut_off))

    def digests(self, state: FileState) -> Mapping[Path, str]:
        """A digest of each file's content; a file whose mark is unchanged is not read again."""
        known, self._digests = self._digests, {}
        found: dict[Path, str] = {}
        for path, mark in state.marks.items():
            if mark is None:
                found[path] = ""
                continue
            before = known.get(path)
            digest = before[1] if before is not None and before[0] == mark else digest_of(path)
            self._digests[path] = (mark, digest)
            found[path] = digest
        return found

    def places(self) -> Mapping[Path, tuple[int, int]]:
        """The files and folders to watch, with their device and inode.

        Folders too, for the system reports a file that is replaced as a change of its folder.
        Files too, for one that is mounted alone and edited changes nothing of its folder.
        """
        files = [*rule_files([self.rules_path], Faults()), *self.lists]
        places = [self.rules_path, self.rules_path.absolute().parent]
        places += _folders(self.rules_path)
        for file in files:
            places += (file, file.absolute().parent, Path(os.path.realpath(file)).parent)
        return identities(places)


def await_quiet(
    look: Callable[[], T],
    wait: Callable[[float], bool],
    monotonic: Callable[[], float],
    until: float,
) -> T:
    """Call `look` until its result has stayed the same for `QUIET_SECONDS`, and return that.

    Returns the latest result at the instant `until` of the clock `monotonic`, and as soon as
    `wait`, which waits for some seconds, returns True.
    """
    seen, since = look(), monotonic()
    while (now := monotonic()) < until and now - since < QUIET_SECONDS:
        if wait(STEP_SECONDS):
            break
        found = look()
        if found != seen:
            seen, since = found, monotonic()
    return seen


def identities(places: Iterable[Path]) -> Mapping[Path, tuple[int, int]]:
    """The device and inode of each of these paths that exists."""
    found = {place: _identity(place) for place in places}
    return {place: identity for place, identity in found.items() if identity is not None}


def digest_of(path: Path) -> str:
    """A digest of a file's content, or why there is none: unreadable, too large, no file."""
    try:
        seen = path.stat()
        if not stat.S_ISREG(seen.st_mode):
            return "no file"
        if seen.st_size > MAX_FILE_BYTES:
            # The rules refuse it unread; reading gigabytes would delay every other change.
            return f"too large: {seen.st_size} {seen.st_mtime_ns}"
        with path.open("rb") as file:
            return hashlib.file_digest(file, _hasher).hexdigest()
    except (OSError, ValueError) as error:
        return type(error).__name__


def _hasher() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=DIGEST_BYTES)


def _mark(path: Path) -> tuple[FileMark | None, int]:
    """The file's mark, and its number of hard links."""
    try:
        found = path.stat()
        if not os.access(path, os.R_OK):
            return None, 1
    except (OSError, ValueError):
        return None, 1
    if stat.S_ISDIR(found.st_mode):
        # A folder's time changes with every other file in it.
        return FileMark(found.st_dev, found.st_ino, 0, 0), 1
    mark = FileMark(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return mark, found.st_nlink


def _folders(folder: Path) -> Iterable[Path]:
    for where, folders, _ in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield Path(where)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
