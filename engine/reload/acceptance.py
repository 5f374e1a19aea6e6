"""Lists that somebody has accepted although they shrank: a note for each, kept beside the last good
rules.

A note holds for the very content that was accepted. It counts at the next load, in a running engine
or after a restart, and is of no use once the list is in force and kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from engine.reload.sighting import digest_of

# Hidden, like the sets beside them.
_PREFIX: Final = ".accepted-"
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
            for path in self.folder.glob(f"{_PREFIX}*{_SUFFIX}"):
                found.add((path.name, path.stat().st_mtime_ns))
        return frozenset(found)

    def forget(self, digests: Iterable[tuple[str, str]]) -> None:
        """Remove the notes on lists, each by name and content, that are in force and kept."""
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
            # None, or one that was damaged: the list is refused, which is reported.
            return None
