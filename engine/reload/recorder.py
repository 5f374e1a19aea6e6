"""Records in the store which rule set is in force, with its files.

No secret leaves the engine: rule files are recorded without the definitions of their channels.
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import replace
from hashlib import blake2b
from typing import Final

import structlog

from engine.errors import StoreError
from engine.reload.file_state import DIGEST_BYTES
from engine.rules import RuleSet
from engine.rules.document import MAX_FILE_BYTES
from engine.rules.kept_text import kept_text
from engine.rules.rule import SourceFile
from engine.store import Missing, NotedFile, RuleSets
from engine.store.rule_sets import MAX_KEPT_BYTES

log = structlog.get_logger(__name__)

_CHUNK_BYTES: Final = 1 << 20


class RuleRecorder:
    """Records each rule set that this engine puts in force; any thread may call it."""

    def __init__(self, rule_sets: RuleSets, instance_id: str) -> None:
        self._rule_sets = rule_sets
        self._instance_id = instance_id
        self._lock = threading.Lock()
        self._wanted: tuple[str, tuple[SourceFile, ...]] | None = None
        #: The digests of kept texts by those of the rule files, for files that stay as they are.
        self._texts: dict[str, str] = {}

    def use(self, rule_set: RuleSet) -> None:
        """The engine has this set in force, or is about to; `record` writes it down."""
        self._wanted = (rule_set.digest, rule_set.sources) if rule_set.digest else None

    def record(self) -> None:
        """Write down the set in force, unless that is done, or another thread is at it.

        What the store does not take now is left to the next call.
        """
        if self._wanted is None or not self._lock.acquire(blocking=False):
            return
        try:
            while (wanted := self._wanted) is not None:
                if not self._record(*wanted):
                    return
                if self._wanted is wanted:
                    self._wanted = None
        except StoreError as error:
            log.debug("rule_set.not_recorded", error=str(error))
        finally:
            self._lock.release()

    def _record(self, digest: str, sources: tuple[SourceFile, ...]) -> bool:
        if self._rule_sets.use(digest, self._instance_id):
            return True
        asked = [each.digest if each.lists else self._texts.get(each.digest) for each in sources]
        there = self._rule_sets.kept_files([each for each in asked if each])
        files = [
            NotedFile(str(source.path), bool(source.lists), known)
            if known in there
            else self._keep(source)
            for source, known in zip(sources, asked, strict=True)
        ]
        self._texts = {
            source.digest: noted.digest
            for source, noted in zip(sources, files, strict=True)
            if noted.digest and not source.lists
        }
        for each in files:
            if each.missing is not None:
                what = f"{each.path} {each.missing.explained}"
                log.warning("rule_set.file_missing", what=what, remedy="none needed")
        return self._rule_sets.note(digest, files, self._instance_id)

    def _keep(self, source: SourceFile) -> NotedFile:
        noted = NotedFile(str(source.path), bool(source.lists))
        try:
            digest, content = _list_of(source) if source.lists else _text_of(source)
        except OSError:
            return replace(noted, missing=Missing.CHANGED)
        if content is None:
            return replace(noted, missing=Missing.TOO_LARGE)
        if not digest:
            return replace(noted, missing=Missing.CHANGED)
        self._rule_sets.keep_file(digest, content)
        return replace(noted, digest=digest)


def _text_of(source: SourceFile) -> tuple[str, bytes | None]:
    """The digest and the compressed text of a rule file without secrets.

    The digest is "" where the file has changed, the text None where it is too large. Raises
    OSError.
    """
    with source.place.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if _digest(data) != source.digest:
        return "", b""
    text = kept_text(data.decode("utf-8-sig")).encode()
    content = zlib.compress(text)
    return _digest(text), content if len(content) <= MAX_KEPT_BYTES else None


def _list_of(source: SourceFile) -> tuple[str, bytes | None]:
    """The digest and the compressed content of a watchlist's file; see `_text_of`.

    It is never in memory as a whole.
    """
    digest, packer, parts, size = _hasher(), zlib.compressobj(), list[bytes](), 0
    with source.place.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            digest.update(data)
            parts.append(packer.compress(data))
            size += len(parts[-1])
            if size > MAX_KEPT_BYTES:
                return "", None
    parts.append(packer.flush())
    if digest.hexdigest() != source.digest:
        return "", b""
    return source.digest, b"".join(parts)


def _digest(data: bytes) -> str:
    found = _hasher()
    found.update(data)
    return found.hexdigest()


def _hasher() -> blake2b:
    return blake2b(digest_size=DIGEST_BYTES)
