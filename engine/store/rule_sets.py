"""The rule sets that were in force: their files, and which engine used which set when.

A file is kept once, compressed, for all sets that have it. What comes here holds no secret: whoever
notes a set takes the definitions of channels out before.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from engine.store import statements
from engine.store.database import Connection, Transaction
from engine.store.instances import LOST_SECONDS

#: A file that is larger when it is compressed is not kept.
MAX_KEPT_BYTES: Final = 8 << 20
#: The lock of those who note a set, and of the sweep.
_LOCK: Final = "rule sets"


class Missing(StrEnum):
    """Why the content of a file was not kept."""

    TOO_LARGE = "too_large"
    #: It was changed, or taken away, before it could be read.
    CHANGED = "changed"

    @property
    def explained(self) -> str:
        """For people, behind the file's name."""
        if self is Missing.TOO_LARGE:
            return f"was not kept: compressed it has more than {MAX_KEPT_BYTES >> 20} MB"
        return "was not kept: it was changed again before it could be read"


@dataclass(frozen=True, slots=True)
class NotedFile:
    """One file of a set: `digest` is that of the content that is kept, "" where it is `missing`."""

    path: str
    is_list: bool
    digest: str = ""
    missing: Missing | None = None


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The files of one set by their absolute paths: rule files without secrets, and watchlists.

    `list_digests` has the digest of each watchlist's file as the engine has it. `missing` says why
    the content of other files was not kept.
    """

    digest: str
    rules: Mapping[str, bytes]
    lists: Mapping[str, bytes]
    list_digests: Mapping[str, str]
    missing: Mapping[str, Missing]


@dataclass(frozen=True, slots=True)
class RuleSetUse:
    """An engine had the set in force from `from_us` until `until_us`, 0 if it still has."""

    digest: str
    instance_id: str
    from_us: int
    until_us: int


class RuleSets:
    """Sets by the digest that an alert's `rules_digest` names. Times are by the store's clock."""

    def __init__(self, writer: Connection, reader: Connection) -> None:
        self._writer = writer
        self._reader = reader

    def use(self, digest: str, instance_id: str) -> bool:
        """Note that the engine uses the set from now on, unless that is noted already.

        False, and nothing is noted, where the set is not kept with all its files.
        """

        def work(transaction: Transaction) -> bool:
            transaction.lock_keys([_LOCK])
            files = _files(transaction.row(statements.RULE_SET, {"hex_digest": digest}))
            if not files or any(each.missing for each in files):
                return False
            _use(transaction, digest, instance_id)
            return True

        return self._writer.transact(work)

    def kept_files(self, digests: Iterable[str]) -> frozenset[str]:
        """Which of these contents are kept."""
        asked = {"digests": json.dumps([*digests])}
        return frozenset(row[0] for row in self._reader.rows(statements.RULE_FILES_THERE, asked))

    def keep_file(self, digest: str, compressed: bytes) -> None:
        """Keep a content, compressed by zlib, for the set that is noted next."""
        parameters = {"hex_digest": digest, "content": compressed}
        self._writer.transact(
            lambda transaction: transaction.run(statements.INSERT_RULE_FILE, parameters)
        )

    def note(self, digest: str, files: Sequence[NotedFile], instance_id: str) -> bool:
        """Note the files of a set, and that the engine uses it from now on.

        False, and nothing is noted, where a content is not kept: the sweep has come in between.
        """
        wanted = sorted({each.digest for each in files if each.missing is None})
        text = json.dumps([_values(each) for each in files])

        def work(transaction: Transaction) -> bool:
            transaction.lock_keys([_LOCK])
            asked = {"digests": json.dumps(wanted)}
            if len(transaction.rows(statements.RULE_FILES_THERE, asked)) < len(wanted):
                return False
            transaction.run(statements.WRITE_RULE_SET, {"hex_digest": digest, "files": text})
            _use(transaction, digest, instance_id)
            return True

        return self._writer.transact(work)

    def at(self, at_us: int) -> list[RuleSetUse]:
        """The uses in force at that time, of all engines, the oldest first.

        An engine that was killed counts until it was seen last.
        """

        def work(transaction: Transaction) -> list[RuleSetUse]:
            lost_us = transaction.now_us - int(LOST_SECONDS * 1e6)
            asked = {"at_us": at_us, "lost_us": lost_us}
            return [RuleSetUse(*row) for row in transaction.rows(statements.USES_AT, asked)]

        # In a transaction, for its clock is the store's.
        found = self._writer.transact(work)
        return [each for each in found if not each.until_us or each.until_us > at_us]

    def files(self, digest: str) -> RuleFiles | None:
        """The files of the set with this digest; None where it is not kept."""
        row = self._reader.row(statements.RULE_SET, {"hex_digest": digest})
        if row is None:
            return None
        files = _files(row)
        wanted = sorted({each.digest for each in files if each.missing is None})
        rows = self._reader.rows(statements.RULE_FILES, {"digests": json.dumps(wanted)})
        contents = {each: zlib.decompress(content) for each, content in rows}
        there = [each for each in files if each.digest in contents]
        return RuleFiles(
            digest,
            rules={each.path: contents[each.digest] for each in there if not each.is_list},
            lists={each.path: contents[each.digest] for each in there if each.is_list},
            list_digests={each.path: each.digest for each in there if each.is_list},
            missing={each.path: each.missing for each in files if each.missing is not None},
        )

    def sweep(self, before_us: int) -> int:
        """Delete what nobody needs any more; returns the number of sets that are gone.

        It keeps the sets that an engine has in force or had since `before_us`, and those of stored
        alerts. Where another engine is at it, it does nothing.
        """

        def end(transaction: Transaction) -> None:
            transaction.run(statements.DELETE_USES_BEFORE, {"before_us": before_us})

        def work(transaction: Transaction) -> int:
            if not transaction.try_lock("sweep"):
                return 0
            transaction.lock_keys([_LOCK])
            gone = sum(
                transaction.run(statements.DELETE_UNUSED_RULE_SET, {"hex_digest": each})
                for each in unused
            )
            rows = transaction.rows(statements.FILES_OF_RULE_SETS)
            needed = {each.digest for row in rows for each in _files(row)}
            there = [row[0] for row in transaction.rows(statements.RULE_FILE_DIGESTS)]
            transaction.run_many(
                statements.DELETE_RULE_FILE,
                [{"hex_digest": each} for each in there if each not in needed],
            )
            return gone

        self._writer.transact(end)
        # Outside of the transaction: it may look at all alerts.
        unused = [row[0] for row in self._reader.rows(statements.UNUSED_RULE_SETS)]
        return self._writer.transact(work)


def _use(transaction: Transaction, digest: str, instance_id: str) -> None:
    asked = {"instance_id": instance_id}
    if transaction.row(statements.USE_NOW, asked) == (digest,):
        return
    moment = {**asked, "now_us": transaction.now_us}
    transaction.run(statements.END_USE, moment)
    transaction.run(statements.INSERT_USE, {**moment, "hex_digest": digest})


def _values(each: NotedFile) -> dict[str, Any]:
    return {
        "path": each.path,
        "is_list": each.is_list,
        "digest": each.digest,
        "missing": each.missing,
    }


def _files(row: tuple[Any, ...] | None) -> list[NotedFile]:
    if row is None:
        return []
    return [
        NotedFile(
            each["path"],
            each["is_list"],
            each["digest"],
            Missing(each["missing"]) if each["missing"] else None,
        )
        for each in json.loads(row[0])
    ]
