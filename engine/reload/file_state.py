"""What watched files looked like when they were last read, and whether they have come to rest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from engine.rules.faults import Faults
from engine.rules.files import rule_files
from engine.watchlist.reader import MAX_FILE_BYTES
from engine.watchlist.watchlist import FileMark

T = TypeVar("T")

#: So long nothing may change before files are read.
QUIET_SECONDS: Final = 0.5
#: Who writes all the time is read after that all the same. A slow copy of a long list takes less.
LONGEST_SECONDS: Final = 60.0
STEP_SECONDS: Final = 0.1


def await_quiet(
    look: Callable[[], T],
    wait: Callable[[float], bool],
    monotonic: Callable[[], float],
    until: float,
) -> T:
    """What `look` gives once that has stayed the same for `QUIET_SECONDS`, or at `until`.

    `wait` waits for some seconds and tells whether to stop waiting altogether.
    """
    seen, since = look(), monotonic()
    while (now := monotonic()) < until and now - since < QUIET_SECONDS:
        if wait(STEP_SECONDS):
            break
        found = look()
        if found != seen:
            seen, since = found, monotonic()
    return seen


_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class FileState:
    """The mark of every watched file, None where it is missing or can't be read.

    `cut_off` are files whose name is gone, as when a mounted file was replaced outside.
    """

    marks: Mapping[Path, FileMark | None]
    cut_off: tuple[Path, ...] = field(default=(), compare=False)


class WatchedFiles:
    """The rule files that a path stands for, and the watchlists that they name."""

    def __init__(self, rules_path: Path) -> None:
        self.rules_path: Final = rules_path
        self.lists: tuple[Path, ...] = ()
        self._digests: dict[Path, tuple[FileMark, str]] = {}

    def look(self) -> FileState:
        """What is there now."""
        files = rule_files([self.rules_path], Faults())
        found = dict.fromkeys((self.rules_path, *files, *self.lists))
        marks: dict[Path, FileMark | None] = {}
        cut_off = []
        for path in found:
            marks[path], links = _mark(path)
            if links == 0:
                cut_off.append(path)
        return FileState(marks, tuple(cut_off))

    def digests(self, sighting: FileState) -> Mapping[Path, str]:
        """A digest of every file's content; what is unchanged by its mark is not read again."""
        known, self._digests = self._digests, {}
        found: dict[Path, str] = {}
        for path, mark in sighting.marks.items():
            if mark is None:
                found[path] = ""
                continue
            before = known.get(path)
            digest = before[1] if before is not None and before[0] == mark else digest_of(path)
            self._digests[path] = (mark, digest)
            found[path] = digest
        return found

    def places(self) -> Mapping[Path, tuple[int, int]]:
        """The files and folders in which something happens when one of them changes, by device
        and inode.

        Folders as well as files: a file that is replaced is news of its folder, one that is mounted
        by itself and edited is news of the file alone.
        """
        files = [*rule_files([self.rules_path], Faults()), *self.lists]
        places = [self.rules_path, self.rules_path.absolute().parent]
        places += _folders(self.rules_path)
        for file in files:
            places += (file, file.absolute().parent, Path(os.path.realpath(file)).parent)
        return identities(places)


def identities(places: Iterable[Path]) -> Mapping[Path, tuple[int, int]]:
    """Those of the places that are there, by device and inode."""
    found = {place: _identity(place) for place in places}
    return {place: identity for place, identity in found.items() if identity is not None}


def digest_of(path: Path) -> str:
    """The digest of a file's content; what can't be read, or is too large, has one of its own."""
    try:
        seen = path.stat()
        if not stat.S_ISREG(seen.st_mode):
            return "no file"
        if seen.st_size > MAX_FILE_BYTES:
            # It is refused unread; reading gigabytes would hold up every other change.
            return f"too large: {seen.st_size} {seen.st_mtime_ns}"
        with path.open("rb") as file:
            return hashlib.file_digest(file, _hasher).hexdigest()
    except (OSError, ValueError) as error:
        return type(error).__name__


def _hasher() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=_DIGEST_BYTES)


def _mark(path: Path) -> tuple[FileMark | None, int]:
    """The file's mark, and how many names it has."""
    try:
        found = path.stat()
        if not os.access(path, os.R_OK):
            return None, 1
    except (OSError, ValueError):
        return None, 1
    if stat.S_ISDIR(found.st_mode):
        # Its time changes with whatever else comes and goes in it.
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
