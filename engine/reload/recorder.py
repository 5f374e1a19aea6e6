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
from engine.rules.load import collector_paused
from engine.rules.rule import SourceFile
from engine.store import Missing, NotedFile, RuleSets
from engine.store.rule_sets import MAX_KEPT_BYTES

log = structlog.get_logger(__name__)

_CHUNK_BYTES: Final = 1 << 20


class RuleRecorder:
    """Records each rule set that this engine puts in force; any thread may call it."""

    def __init__(
        self, rule_sets: RuleSets, instance_id: str, most_bytes: int = MAX_KEPT_BYTES
    ) -> None:
        """`instance_id` is that of the engine. Compressed files above `most_bytes` are left out."""
        self._rule_sets = rule_sets
        self._instance_id = instance_id
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._wanted: tuple[str, tuple[SourceFile, ...]] | None = None
        #: The digests of kept texts by those of the rule files, for files that stay as they are.
        self._texts: dict[str, str] = {}
        #: What was packed for a store that did not take it, by the digests of the files.
        self._packed: dict[str, tuple[str, bytes]] = {}

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
                self._packed.clear()
                if self._wanted is wanted:
                    self._wanted = None
        except StoreError as error:
            log.debug("rule_set.not_recorded", error=str(error))
        finally:
            self._lock.release()

    def _record(self, digest: str, sources: tuple[SourceFile, ...]) -> bool:
        if self._rule_sets.use(digest, self._instance_id):
            return True
        needed = {each.digest for each in sources}
        self._packed = {each: packed for each, packed in self._packed.items() if each in needed}
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
            digest, content = self._pack(source)
        except OSError:
            return replace(noted, missing=Missing.CHANGED)
        if len(content) > self._most_bytes:
            return replace(noted, missing=Missing.TOO_LARGE)
        if not digest:
            return replace(noted, missing=Missing.CHANGED)
        self._rule_sets.keep_file(digest, content)
        return replace(noted, digest=digest)

    def _pack(self, source: SourceFile) -> tuple[str, bytes]:
        """The digest and the compressed content, which is made once; see `_pack_list`."""
        packed = self._packed.get(source.digest)
        if packed is None:
            pack = _pack_list if source.lists else _pack_rules
            packed = self._packed[source.digest] = pack(source, self._most_bytes)
        return packed


def _pack_rules(source: SourceFile, most_bytes: int) -> tuple[str, bytes]:
    """The digest and the compressed text of a rule file without secrets; see `_pack_list`."""
    with source.place.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if _digest(data) != source.digest:
        return "", b""
    # It is reference counts alone that free the nodes of the file.
    with collector_paused():
        text = kept_text(data.decode("utf-8-sig")).encode()
    return _digest(text), zlib.compress(text)


def _pack_list(source: SourceFile, most_bytes: int) -> tuple[str, bytes]:
    """The digest and the compressed content of a watchlist's file, which is never read as a whole.

    It ends where there are more than `most_bytes`. The digest is "" where the file has changed.
    Raises OSError.
    """
    digest, packer, packed = _hasher(), zlib.compressobj(), bytearray()
    with source.place.open("rb") as file:
        while (data := file.read(_CHUNK_BYTES)) and len(packed) <= most_bytes:
            digest.update(data)
            packed += packer.compress(data)
    packed += packer.flush()
    return digest.hexdigest() if digest.hexdigest() == source.digest else "", bytes(packed)


def _digest(data: bytes) -> str:
    found = _hasher()
    found.update(data)
    return found.hexdigest()


def _hasher() -> blake2b:
    return blake2b(digest_size=DIGEST_BYTES)
