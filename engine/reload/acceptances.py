"""Notes on disk that somebody accepted a watchlist although its file has far fewer rows.

`alert-engine lists accept` writes them, and the engine reads them. A note holds the digest of the
file, so it does not count for a file that changes afterwards.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from engine.reload.file_state import digest_of

# Hidden: a rules folder that holds the state folder must not find these files.
_PREFIX: Final = ".accepted-"
_SUFFIX: Final = ".json"


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
            for path in self.folder.glob(f"{_PREFIX}*{_SUFFIX}"):
                found.add((path.name, path.stat().st_mtime_ns))
        return frozenset(found)

    def forget(self, digests: Iterable[tuple[str, str]]) -> None:
        """Remove the notes on these names and digests: those files are in force and kept."""
        for name, digest in digests:
            if self._digest(name) == digest:
                with suppress(OSError):
                    self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self.folder / f"{_PREFIX}{name}{_SUFFIX}"

    def _digest(self, name: str) -> str | None:
        try:
            found = json.loads(self._path(name).read_text())
            return str(found["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            # No note, or a damaged one: the list is refused, and the log says so.
            return None
