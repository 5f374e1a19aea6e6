"""The last rule set that was good, and the lists that somebody accepted, kept on disk."""

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
from engine.rules.files import absolute
from engine.settings import Settings
from engine.store.connection import parse_state_url
from engine.watchlist import ListSummary

_MANIFEST: Final = "manifest.json"
_FILES: Final = "files"
# Hidden: a rules folder that holds the state folder must not find these files.
_PREFIX: Final = ".set-"
_FORM: Final = 1
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class KeptSet:
    """A set that was kept: where its files lie now, and what they were.

    `rules_path` is the file or folder that it was loaded from, `digests` its files by their paths
    there, `lists` path and number of rows of each list by name, `saved_at` when it was kept.
    """

    folder: Path
    rules_path: Path
    digests: Mapping[Path, str]
    lists: Mapping[str, tuple[Path, int]]
    saved_at: datetime

    @property
    def root(self) -> Path:
        """The folder under which its files have their whole paths."""
        return self.folder / _FILES

    def remembered(self) -> Mapping[str, ListSummary]:
        """What the lists were, so that none is taken that shrank."""
        return {name: ListSummary(path, count) for name, (path, count) in self.lists.items()}

    def copy_of(self, path: Path) -> Path:
        """Where the copy of a file lies."""
        return self.root / absolute(path).relative_to("/")


class LastGood:
    """The sets in one folder, which is made when it is needed, for its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self.acceptances: Final = Acceptances(folder)
        # Read and found whole by this process, or written by it.
        self._trusted: KeptSet | None = None

    def find(self) -> KeptSet | None:
        """The newest set, whole and unchanged, or None where there is none.

        LastGoodError when there is one that can't be used.
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
        """The lists of the newest set with their numbers of rows, of which nothing is read.

        No list where there is no set, or none that can be read.
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
        """Keep the files of a set that was just loaded, in place of the one before.

        `digests` are the files' contents as they were loaded; lists that were `refused` are kept as
        they are in the set before. False when the files have changed since, or the set before lacks
        a refused one, so that nothing is kept. OSError when the folder can't be written.
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
            self._forget_accepted()
            return True
        try:
            _make(folder)
            if not all(_store(kept, former, path) for path in wanted):
                shutil.rmtree(folder)
                return False
            _write_manifest(kept)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._trusted = kept
        self._forget_others(folder)
        self._forget_accepted()
        return True

    def _forget_accepted(self) -> None:
        """Remove what was accepted of the lists that are kept."""
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
            yield from self.folder.glob(f"{_PREFIX}*")

    def _next_folder(self) -> Path:
        number = 1 + max((_number(folder) for folder in self._folders()), default=0)
        return self.folder / f"{_PREFIX}{number}"

    def _forget_others(self, folder: Path) -> None:
        for other in self._folders():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)


def _is_same(one: KeptSet, other: KeptSet) -> bool:
    return (one.rules_path, one.digests, one.lists) == (
        other.rules_path,
        other.digests,
        other.lists,
    )


def _number(folder: Path) -> int:
    digits = folder.name.removeprefix(_PREFIX)
    return int(digits) if digits.isdecimal() else 0


def _make(folder: Path) -> None:
    """Make a folder and what is missing above it, each for its owner only."""
    if not folder.parent.is_dir():
        _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def _store(kept: KeptSet, former: KeptSet | None, path: Path) -> bool:
    """Link or copy one file; whether it is still what was loaded."""
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


def last_good_of(settings: Settings) -> LastGood:
    """Where the last good rules of this store are kept; raises StoreError for an unusable URL."""
    path = parse_state_url(settings.state_url).path
    return LastGood(path.parent / "last-good" / path.name)


# Hidden, like the sets beside them.
_ACCEPTED_PREFIX: Final = ".accepted-"
_SUFFIX: Final = ".json"


Notes = frozenset[tuple[str, int]]
"""Each note by its file's name, and when it was written, in nanoseconds."""


class Acceptances:
    """The notes in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder

    def accept(self, name: str, digest: str, now: datetime) -> None:
        """Note that the list is accepted with that content; OSError if that can't be written."""
        text = json.dumps({"list": name, "digest": digest, "accepted_at": now.isoformat()})
        path = self._path(name)
        draft = path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def accepts(self, name: str, path: Path) -> bool:
        """Whether the list is accepted with what its file holds now."""
        noted = self._digest(name)
        return noted is not None and noted == digest_of(path)

    def notes(self) -> Notes:
        """The notes as they are now: a new one means that lists are to be loaded anew."""
        found = set()
        with suppress(OSError):
            for path in self.folder.glob(f"{_ACCEPTED_PREFIX}*{_SUFFIX}"):
                found.add((path.name, path.stat().st_mtime_ns))
        return frozenset(found)

    def forget(self, digests: Iterable[tuple[str, str]]) -> None:
        """Remove the notes on lists, each by name and content, that are in force and kept."""
        for name, digest in digests:
            if self._digest(name) == digest:
                with suppress(OSError):
                    self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self.folder / f"{_ACCEPTED_PREFIX}{name}{_SUFFIX}"

    def _digest(self, name: str) -> str | None:
        try:
            found = json.loads(self._path(name).read_text())
            return str(found["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            # None, or one that was damaged: the list is refused, which is reported.
            return None
