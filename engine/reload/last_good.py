"""What the state folder keeps of the rules: the last good set, and accepted watchlists.

The last good rule set is kept as copies of its files, for a start with faulty ones. An acceptance
is a note that somebody accepted a watchlist although its file has far fewer rows: `alert-engine
lists accept` writes it, and the engine reads it. It holds the digest of the file, so it does not
count for a file that changes afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from engine.errors import LastGoodError
from engine.reload.file_state import digest_of
from engine.rules.watchlist_reader import absolute
from engine.settings import Settings
from engine.store.location import SqliteLocation, parse_state_url
from engine.watchlist import ListSummary

_MANIFEST: Final = "manifest.json"
_FILES: Final = "files"
# Hidden: a rules folder that holds the state folder must not find these files.
_SET_PREFIX: Final = ".set-"
_NOTE_PREFIX: Final = ".accepted-"
_NOTE_SUFFIX: Final = ".json"
_FORM: Final = 1
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class KeptSet:
    """A rule set on disk: `folder` holds the copies of its files.

    `rules_path` is the file or folder that the set was loaded from. `digests` has each file's
    digest by its original path. `lists` has each watchlist's original path and number of rows by
    its name. `saved_at` is when it was kept.
    """

    folder: Path
    rules_path: Path
    digests: Mapping[Path, str]
    lists: Mapping[str, tuple[Path, int]]
    saved_at: datetime

    @property
    def root(self) -> Path:
        """The folder in which each copy has the absolute path of its original."""
        return self.folder / _FILES

    def remembered(self) -> Mapping[str, ListSummary]:
        """The path and row count of each list by name, to refuse a file that shrank."""
        return {name: ListSummary(path, count) for name, (path, count) in self.lists.items()}

    def copy_of(self, path: Path) -> Path:
        """The path of the copy of an original file."""
        return self.root / absolute(path).relative_to("/")


class LastGood:
    """Finds and keeps the last good set in a folder, which it makes for its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self.acceptances: Final = Acceptances(folder)
        # The set that this process has checked or written.
        self._trusted: KeptSet | None = None

    def find(self) -> KeptSet | None:
        """The newest set, or None where there is none; reads all its files.

        Raises LastGoodError when the newest is unreadable or damaged.
        """
        try:
            newest = self._newest()
            if newest is None:
                return None
            changed = [
                path
                for path, digest in newest.digests.items()
                if digest_of(newest.copy_of(path)) != digest
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise LastGoodError(f"the set in {self.folder} is unreadable ({reason})") from error
        if changed:
            raise LastGoodError(f"the set in {newest.folder} is damaged: {changed[0]}")
        self._trusted = newest
        return newest

    def remembered(self) -> Mapping[str, ListSummary]:
        """The watchlists of the newest set by name: path and row count; reads its manifest only.

        Empty where there is no readable set.
        """
        try:
            newest = self._newest()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
        return newest.remembered() if newest is not None else {}

    def keep(
        self,
        rules_path: Path,
        digests: Mapping[Path, str],
        lists: Mapping[str, tuple[Path, int]],
        now: datetime,
        refused: Collection[Path] = (),
    ) -> bool:
        """Copy the files of a set that was just loaded, in place of the set before.

        `digests` are those of the files as they were loaded. The lists that were `refused` are
        copied from the set before. Returns False, and keeps nothing, when a file has changed since,
        or the set before lacks a refused list. Raises OSError when the folder can't be written.
        """
        wanted = {absolute(path): digest for path, digest in digests.items()}
        former = self._former()
        for path in map(absolute, refused):
            if former is None or path not in former.digests:
                return False
            wanted[path] = former.digests[path]
        folder = self._next_folder()
        places = {name: (absolute(path), count) for name, (path, count) in lists.items()}
        kept = KeptSet(folder, absolute(rules_path), wanted, places, now)
        if former is not None and _is_same(former, kept):
            self._forget_acceptances()
            return True
        try:
            _make(folder)
            if not all(_take_file(kept, former, path) for path in wanted):
                shutil.rmtree(folder)
                return False
            _write_manifest(kept)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._trusted = kept
        self._remove_others(folder)
        self._forget_acceptances()
        return True

    def _forget_acceptances(self) -> None:
        """Remove the notes on lists that the kept set has as they were accepted."""
        if (kept := self._trusted) is not None:
            lists = ((name, kept.digests.get(path, "")) for name, (path, _) in kept.lists.items())
            self.acceptances.forget(lists)

    def _former(self) -> KeptSet | None:
        if self._trusted is None:
            with suppress(LastGoodError):
                self.find()
        return self._trusted

    def _newest(self) -> KeptSet | None:
        for folder in sorted(self._folders(), key=_number, reverse=True):
            if (folder / _MANIFEST).exists():
                return _read_manifest(folder)
        return None

    def _folders(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from self.folder.glob(f"{_SET_PREFIX}*")

    def _next_folder(self) -> Path:
        number = 1 + max((_number(folder) for folder in self._folders()), default=0)
        return self.folder / f"{_SET_PREFIX}{number}"

    def _remove_others(self, folder: Path) -> None:
        for other in self._folders():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)


def last_good_of(settings: Settings) -> LastGood:
    """The last good rules in `LAST_GOOD_PATH`, else beside the store's file.

    Raises StoreError for a bad `STATE_URL`.
    """
    location = parse_state_url(settings.state_url)
    if settings.last_good_path is not None:
        return LastGood(settings.last_good_path)
    if isinstance(location, SqliteLocation):
        return LastGood(location.path.parent / "last-good" / location.path.name)
    return LastGood(Path("state") / "last-good")


class Acceptances:
    """The notes in one folder, a file for each list."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder

    def accept(self, name: str, digest: str, now: datetime) -> None:
        """Note that the list `name` is accepted while its file has this digest.

        Raises OSError when the note can't be written.
        """
        text = json.dumps({"list": name, "digest": digest, "accepted_at": now.isoformat()})
        path = self._path(name)
        draft = path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def accepts(self, name: str, path: Path) -> bool:
        """Whether the list `name` is accepted with the present content of its file."""
        noted = self._digest(name)
        return noted is not None and noted == digest_of(path)

    def notes(self) -> frozenset[tuple[str, int]]:
        """Each note's file name, and when it was written in nanoseconds.

        A new one means that the watchlists have to be loaded again.
        """
        found = set()
        with suppress(OSError):
            for path in self.folder.glob(f"{_NOTE_PREFIX}*{_NOTE_SUFFIX}"):
                found.add((path.name, path.stat().st_mtime_ns))
        return frozenset(found)

    def forget(self, digests: Iterable[tuple[str, str]]) -> None:
        """Remove the notes on these names and digests: those files are in force and kept."""
        for name, digest in digests:
            if self._digest(name) == digest:
                with suppress(OSError):
                    self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self.folder / f"{_NOTE_PREFIX}{name}{_NOTE_SUFFIX}"

    def _digest(self, name: str) -> str | None:
        try:
            found = json.loads(self._path(name).read_text())
            return str(found["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            # No note, or a damaged one: the list is refused, and the log says so.
            return None


def _is_same(one: KeptSet, other: KeptSet) -> bool:
    return (one.rules_path, one.digests, one.lists) == (
        other.rules_path,
        other.digests,
        other.lists,
    )


def _number(folder: Path) -> int:
    digits = folder.name.removeprefix(_SET_PREFIX)
    return int(digits) if digits.isdecimal() else 0


def _make(folder: Path) -> None:
    """Make a folder and what is missing above it, each for its owner only."""
    if not folder.parent.is_dir():
        _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def _take_file(kept: KeptSet, former: KeptSet | None, path: Path) -> bool:
    """Link or copy one file; returns whether the copy is what was loaded."""
    copy, digest = kept.copy_of(path), kept.digests[path]
    _make(copy.parent)
    if former is not None and former.digests.get(path) == digest:
        try:
            os.link(former.copy_of(path), copy)
        except OSError:
            # Not every file system has links.
            _copy(former.copy_of(path), copy)
        return True
    try:
        _copy(path, copy)
    except FileNotFoundError:
        return False
    return digest_of(copy) == digest


def _copy(source: Path, copy: Path) -> None:
    with source.open("rb") as reader:
        target = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(target, "wb") as writer:
            shutil.copyfileobj(reader, writer, _CHUNK_BYTES)
            writer.flush()
            os.fsync(writer.fileno())


def _write_manifest(kept: KeptSet) -> None:
    text = json.dumps(
        {
            "form": _FORM,
            "rules_path": str(kept.rules_path),
            "saved_at": kept.saved_at.isoformat(),
            "files": {str(path): digest for path, digest in kept.digests.items()},
            "lists": {name: [str(path), count] for name, (path, count) in kept.lists.items()},
        },
        indent=2,
    )
    draft = kept.folder / f"{_MANIFEST}.new"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as writer:
        writer.write(text)
        writer.flush()
        os.fsync(writer.fileno())
    draft.rename(kept.folder / _MANIFEST)
    for folder in (kept.folder, kept.folder.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read_manifest(folder: Path) -> KeptSet:
    found: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
    if found["form"] != _FORM:
        raise ValueError(f"its form is {found['form']}")
    return KeptSet(
        folder,
        Path(found["rules_path"]),
        {Path(path): str(digest) for path, digest in found["files"].items()},
        {name: (Path(path), int(count)) for name, (path, count) in found["lists"].items()},
        datetime.fromisoformat(found["saved_at"]),
    )
