"""Removes one plate from the store, beside its engines."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from engine.store import erasure_statements as erasure
from engine.store import statements
from engine.store.database import Connection, Database, Freed, Row, Statement, Transaction
from engine.store.model import dead_letter_from_row, key_id, silence_from_row
from engine.store.plate_text import PlateText
from engine.store.silences import count_change

Id = TypeVar("Id", str, int)

#: How many alerts one transaction removes: so long the stream waits.
ERASED_AT_ONCE: Final = 200
#: Between two of them, so that the loop and the workers of an engine can write.
PAUSE_SECONDS: Final = 0.05
_LETTERS_AT_ONCE: Final = 50
#: The row of `meta` that is there from the first removal until files are overwritten.
_UNDER_WAY: Final = "erasing"
#: While an engine goes on to store readings of the car, those of so many rounds are removed.
_MOST_ROUNDS: Final = 100
_CUT_SHORT: Final = (
    "an earlier run was cut short: in a large PostgreSQL, free room may still hold what it "
    "removed: VACUUM FULL alerts, events"
)


@dataclass(frozen=True, slots=True)
class OpenDelivery:
    """A delivery that waits; `is_claimed` says that an engine may be sending it now."""

    delivery_id: int
    alert_id: str
    channel: str
    target_id: str
    is_claimed: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """What the store holds of a plate.

    `alerts` are those of readings of the plate, `naming` those of other readings that name it: as
    the plate that they are like, or in their message, key, rule or event. `events` (digests) name
    it and have no alert. `rule_files` are paths of files of rule sets that name it, which stay.
    """

    alerts: tuple[str, ...]
    naming: tuple[str, ...]
    events: tuple[bytes, ...]
    deliveries: int
    open: tuple[OpenDelivery, ...]
    silences: tuple[str, ...]
    letters: tuple[int, ...]
    rule_files: tuple[str, ...]
    spellings: frozenset[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows are gone, by table; what was not sent; what is still to be done by a person.

    `refused` are deliveries that were opened meanwhile, whose alerts stay.
    """

    rows: Mapping[str, int]
    unsent: tuple[OpenDelivery, ...]
    refused: tuple[OpenDelivery, ...]
    left: tuple[str, ...]


class Erasure:
    """Finds a plate and removes it, in transactions as those of the sweep."""

    def __init__(self, database: Database, writer: Connection, reader: Connection) -> None:
        """What the `writer` commits must outlive a power cut."""
        self._database = database
        self._writer = writer
        self._reader = reader

    def find(self, plate: PlateText) -> Trace:
        """All that is stored of the plate; nothing is changed."""
        spellings = {plate.plate}
        own = [row[0] for row in self._reader.rows(erasure.ALERTS_OF_PLATE, {"plate": plate.plate})]
        near = self._reader.scan(erasure.NEAR_PLATES)
        naming = {alert_id for alert_id, matched in near if plate.is_plate(matched)}
        for alert_id, text in self._parts(
            erasure.ALERTS_EXTENT, erasure.PART_OF_ALERTS, plate, is_json=False
        ):
            naming.add(alert_id)
            spellings |= text
        events = []
        for digest, found in self._parts(
            erasure.EVENTS_EXTENT, erasure.PART_OF_EVENTS, plate, is_json=True
        ):
            spellings |= found
            alerts = self._reader.rows(erasure.ALERTS_OF_EVENT, {"digest": digest})
            naming.update(row[0] for row in alerts)
            if not alerts:
                events.append(bytes(digest))
        everything = [*own, *sorted(naming.difference(own))]
        return Trace(
            alerts=tuple(own),
            naming=tuple(everything[len(own) :]),
            events=tuple(events),
            deliveries=sum(self._counts(erasure.DELIVERIES_OF, everything)),
            open=tuple(self._open(everything)),
            silences=tuple(self._silences(plate)),
            letters=tuple(self._letters(plate)),
            rule_files=tuple(sorted(self._rule_files(plate))),
            spellings=frozenset(spellings),
        )

    def erase(self, plate: PlateText, trace: Trace, *, with_open: bool) -> Erased:
        """Remove what the trace has, and alerts of the plate that were stored meanwhile.

        Alerts with an open delivery go only with `with_open`. After a failure, call `find` and
        `erase` again: what is gone is gone, and where it was in the files is then not known.
        """
        done = _Done(plate, with_open=with_open)
        was_cut_short = self._writer.transact(_begin)
        self._remove([*trace.alerts, *trace.naming], done)
        asked = {"plate": plate.plate}
        for _ in range(_MOST_ROUNDS):
            found = [row[0] for row in self._reader.rows(erasure.ALERTS_OF_PLATE, asked)]
            fresh = [each for each in found if each not in done.kept]
            if not fresh:
                break
            self._remove(fresh, done)
        if trace.events:
            done.add(self._writer.transact(lambda transaction: _orphans(transaction, trace.events)))
        if trace.silences:
            ids = {"silence_ids": json.dumps(trace.silences)}
            done.rows["silences"] = self._writer.transact(lambda each: _end_silences(each, ids))
        for letters in _in_parts(trace.letters):
            done.rows["dead_letters"] += self._writer.transact(partial(_drop, letters=letters))
        # Of a run that was cut short nobody knows what it had removed.
        deleted = dict.fromkeys(done.rows, 1) if was_cut_short else done.rows
        left = [*self._database.overwrite(done.freed, deleted, trace.spellings)]
        if was_cut_short:
            left.append(_CUT_SHORT)
        self._writer.transact(
            lambda transaction: transaction.run(statements.DELETE_META, {"name": _UNDER_WAY})
        )
        return Erased(done.rows, tuple(done.unsent), tuple(done.refused), tuple(left))

    def _remove(self, alert_ids: Sequence[str], done: _Done) -> None:
        for number, some in enumerate(_in_parts(alert_ids)):
            if number:
                time.sleep(PAUSE_SECONDS)
            done.add(self._writer.transact(partial(_alerts, alert_ids=some, done=done)))

    def _parts(
        self, extent: Statement, part: Statement, plate: PlateText, *, is_json: bool
    ) -> Iterator[tuple[Any, set[str]]]:
        """The ids of the rows that name the plate, each with the ways in which it is written."""
        if not plate.is_searched:
            return
        ((end, at_once),) = self._reader.rows(extent)
        for first in range(0, int(end), at_once):
            asked = {
                "first": first,
                "end": first + at_once,
                "pattern": plate.postgresql_pattern,
            }
            for found, text in self._reader.scan(part, asked):
                if plate.may_be_in(text if isinstance(text, bytes) else text.encode()):
                    spelt = plate.spellings_in_json(text) if is_json else plate.spellings(text)
                    if spelt:
                        yield found, spelt

    def _counts(self, statement: Statement, alert_ids: Sequence[str]) -> Iterator[int]:
        for some in _in_parts(alert_ids):
            yield int(self._reader.rows(statement, {"alert_ids": json.dumps(some)})[0][0])

    def _open(self, alert_ids: Sequence[str]) -> Iterator[OpenDelivery]:
        for some in _in_parts(alert_ids):
            asked = {"alert_ids": json.dumps(some)}
            yield from map(_open_delivery, self._reader.rows(erasure.OPEN_DELIVERIES, asked))

    def _silences(self, plate: PlateText) -> Iterator[str]:
        for silence in map(silence_from_row, self._reader.rows(statements.SILENCES)):
            texts = (silence.condition, silence.comment, silence.created_by, silence.camera_id)
            if plate.is_plate(silence.plate) or any(map(plate.is_in, texts)):
                yield silence.silence_id

    def _letters(self, plate: PlateText) -> Iterator[int]:
        after_id = 0
        while rows := self._reader.rows(
            statements.DEAD_LETTERS, {"after_id": after_id, "limit": _LETTERS_AT_ONCE}
        ):
            after_id = rows[-1][0]
            for row in rows:
                letter = dead_letter_from_row(row)
                record = letter.record
                texts = (letter.message, letter.stack_trace or "")
                parts = [each.encode() for each in texts]
                parts += [record.key or b"", record.value or b""]
                parts += [value or b"" for _, value in record.headers]
                # Avro writes texts as they are, after a byte that may be a letter: no word begins.
                if any(map(plate.may_be_in, parts)):
                    yield row[0]

    def _rule_files(self, plate: PlateText) -> Iterator[str]:
        found = set()
        for (digest,) in self._reader.rows(erasure.RULE_FILE_NAMES):
            row = self._reader.row(erasure.RULE_FILE, {"hex_digest": digest})
            content = zlib.decompress(row[0]) if row else b""
            if plate.may_be_in(content) and plate.is_in(content.decode("utf-8", "replace")):
                found.add(digest)
        paths = set()
        for (files,) in self._reader.rows(statements.FILES_OF_RULE_SETS) if found else ():
            paths |= {each["path"] for each in json.loads(files) if each["digest"] in found}
        yield from paths


def _begin(transaction: Transaction) -> bool:
    """Note that a removal begins; whether an earlier one has not come to its end."""
    asked = {"name": _UNDER_WAY}
    was_cut_short = transaction.row(statements.META, asked) is not None
    transaction.run(statements.SET_META, {**asked, "value": transaction.now_us})
    return was_cut_short


@dataclass(slots=True)
class _Removed:
    """What one transaction has removed."""

    rows: dict[str, int] = field(default_factory=dict)
    freed: Freed = field(default_factory=dict)
    unsent: list[OpenDelivery] = field(default_factory=list)
    refused: list[OpenDelivery] = field(default_factory=list)


class _Done:
    """What all transactions together have removed."""

    def __init__(self, plate: PlateText, *, with_open: bool) -> None:
        self.plate = plate
        self.with_open = with_open
        tables = ("alerts", "deliveries", "events", "suppressed", "silences", "dead_letters")
        self.rows = dict.fromkeys(tables, 0)
        self.freed: Freed = {"alerts": [], "events": []}
        self.unsent: list[OpenDelivery] = []
        self.refused: list[OpenDelivery] = []

    @property
    def kept(self) -> frozenset[str]:
        """The alerts that stay for their open deliveries."""
        return frozenset(each.alert_id for each in self.refused)

    def add(self, removed: _Removed) -> None:
        """Count a transaction that is committed."""
        for table, count in removed.rows.items():
            self.rows[table] += count
        for table, places in removed.freed.items():
            self.freed[table] += places
        self.unsent += removed.unsent
        self.refused += removed.refused


def _alerts(transaction: Transaction, alert_ids: Sequence[str], done: _Done) -> _Removed:
    # The stream may be about to store another rule's alert on one of these events.
    transaction.lock_all_keys()
    removed = _Removed()
    asked = {"alert_ids": json.dumps(alert_ids)}
    waiting = [*map(_open_delivery, transaction.rows(erasure.OPEN_DELIVERIES, asked))]
    if done.with_open:
        removed.unsent = waiting
    elif waiting:
        removed.refused = waiting
        kept = {each.alert_id for each in waiting}
        asked = {"alert_ids": json.dumps([each for each in alert_ids if each not in kept])}
    removed.rows["deliveries"] = transaction.run(erasure.DELETE_DELIVERIES, asked)
    if removed.unsent:
        # Others of a message whose lead is gone go by themselves.
        transaction.run(statements.FREE_MEMBERS)
    rows = transaction.rows(erasure.DELETE_ALERTS, asked)
    removed.rows["alerts"] = len(rows)
    removed.freed["alerts"] = [(place, size) for _, _, place, size in rows]
    keys = {key for _, key, _, _ in rows if key is not None}
    ids = [key_id(key) for key in keys if done.plate.spellings_in_json(_json_of(key))]
    if ids:
        removed.rows["suppressed"] = transaction.run(
            erasure.DELETE_SUPPRESSED, {"key_ids": json.dumps(ids)}
        )
    events = _events(transaction, dict.fromkeys(bytes(row[0]) for row in rows))
    removed.rows |= events.rows
    removed.freed |= events.freed
    return removed


def _orphans(transaction: Transaction, digests: Iterable[bytes]) -> _Removed:
    # One of them may be about to get an alert.
    transaction.lock_all_keys()
    return _events(transaction, digests)


def _events(transaction: Transaction, digests: Iterable[bytes]) -> _Removed:
    """Remove events that have no alert any more."""
    asked = [transaction.ask(erasure.DELETE_EVENT, {"digest": each}) for each in sorted(digests)]
    gone: list[Row] = [row for answer in asked for row in answer()]
    return _Removed({"events": len(gone)}, {"events": [(place, size) for place, size in gone]})


def _end_silences(transaction: Transaction, ids: Mapping[str, str]) -> int:
    count_change(transaction)
    return transaction.run(erasure.DELETE_SILENCES, ids)


def _drop(transaction: Transaction, letters: Sequence[int]) -> int:
    statement = statements.DELETE_DEAD_LETTER
    return sum(transaction.run(statement, {"letter_id": each}) for each in letters)


def _json_of(dedup_key: str) -> str:
    """The list in a cooldown's key; that of a silenced match has a word before it."""
    return dedup_key[max(0, dedup_key.find("[")) :]


def _open_delivery(row: Row) -> OpenDelivery:
    delivery_id, alert_id, channel, target_id, claimed_until_us = row
    return OpenDelivery(delivery_id, alert_id, channel, target_id, claimed_until_us > 0)


def _in_parts(ids: Sequence[Id]) -> Iterator[Sequence[Id]]:
    for first in range(0, len(ids), ERASED_AT_ONCE):
        yield ids[first : first + ERASED_AT_ONCE]
