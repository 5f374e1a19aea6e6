"""Copies a store into another one, in chunks: from SQLite to PostgreSQL, back, or between two.

A store that is half copied bears a mark, with which no engine starts on it; another copy goes on
from there. In the end both are compared row by row.
"""

# ruff: noqa: S608 - the statements are put together from constants of this module only
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from engine.errors import StoreError, StoreInUseError
from engine.store import statements
from engine.store.database import (
    Connection,
    Database,
    Durability,
    Row,
    Statement,
    Transaction,
    both,
    each_its_own,
)
from engine.store.deliveries import FORMER_IDS, SEEN
from engine.store.instances import running
from engine.store.location import PostgresLocation, SqliteLocation
from engine.store.model import OpenMode
from engine.store.postgresql import open_postgresql
from engine.store.sqlite import open_sqlite
from engine.store.store import HALF_COPIED

#: The rows of `meta` that belong to what is stored, and not to one database.
_META: Final = (FORMER_IDS, SEEN, "redeliveries", "swept")


class _Table(NamedTuple):
    """A table with a key that orders its rows: `lowest` is below each; `at_once` bounds memory."""

    name: str
    key: str
    lowest: str | int | bytes
    columns: tuple[str, ...]
    at_once: int = 1_000
    #: Whether the database makes the keys, and uses none of them twice.
    has_identity: bool = False

    @property
    def page(self) -> Statement:
        """At most `limit` rows behind the key `after`, in order."""
        return both(
            f"SELECT {', '.join(self.columns)} FROM {self.name} WHERE {self.key} > :after "
            f"ORDER BY {self.key} LIMIT :limit"
        )

    @property
    def last(self) -> Statement:
        """The last key."""
        return both(f"SELECT {self.key} FROM {self.name} ORDER BY {self.key} DESC LIMIT 1")

    @property
    def insertion(self) -> Statement:
        """Insert one row."""
        columns, values = ", ".join(self.columns), ", ".join(f":{each}" for each in self.columns)
        overriding = "OVERRIDING SYSTEM VALUE " if self.has_identity else ""
        beginning = f"INSERT INTO {self.name} ({columns})"
        return each_its_own(
            f"{beginning} VALUES ({values})", f"{beginning} {overriding}VALUES ({values})"
        )

    @property
    def highest_given(self) -> Statement:
        """The highest key that was ever given, also to a row that is gone."""
        return each_its_own(
            f"SELECT seq FROM sqlite_sequence WHERE name = '{self.name}'",
            "SELECT pg_sequence_last_value("
            f"pg_get_serial_sequence('{self.name}', '{self.key}')::regclass)",
        )

    @property
    def give_above(self) -> Statement:
        """Give no key up to `highest` any more."""
        return each_its_own(
            f"UPDATE sqlite_sequence SET seq = :highest WHERE name = '{self.name}'",
            f"SELECT setval(pg_get_serial_sequence('{self.name}', '{self.key}'), :highest)",
        )

    @property
    def deletion(self) -> Statement:
        """Delete all rows."""
        return both(f"DELETE FROM {self.name}")


#: In this order each row finds what it refers to.
TABLES: Final = (
    _Table("keys", "name", "", ("name", "value")),
    # An event, and the record of a dead letter, may be large.
    _Table("events", "digest", b"", ("digest", "event"), at_once=100),
    _Table(
        "alerts",
        "alert_id",
        "",
        (
            *("alert_id", "digest", "rule_id", "dedup_key", "key_id", "time_us", "stored_us"),
            *("is_expired", "rule_name", "priority", "message", "captured_at", "created_at"),
            *("suppressed_count", "late_seconds", "topic", "partition_id", "record_offset"),
            *("plate", "camera_id", "rules_digest", "silenced_by", "matched_plate", "likeness"),
        ),
    ),
    _Table(
        "deliveries",
        "delivery_id",
        0,
        (
            *("delivery_id", "alert_id", "channel", "target_id", "state", "priority_rank", "tries"),
            *("failures", "failed_us", "next_try_us", "claimed_by", "claimed_until_us"),
            *("claim_no", "reason", "detail", "waiting_since_us", "changed_us", "lead_id", "kind"),
            *("group_key", "settled_no", "fell_back", "note"),
        ),
        has_identity=True,
    ),
    _Table(
        "targets",
        "target_id",
        "",
        (
            *("target_id", "channel", "concurrency", "held_since_us", "reason", "detail", "probes"),
            *("probe_at_us", "probe_rank", "probe_id", "is_changed", "not_before_us", "paused_us"),
            *("taken_us", "failing", "refused", "backlog_id", "registered_us"),
        ),
    ),
    _Table("suppressed", "key_id", "", ("key_id", "suppressed_count", "changed_us")),
    _Table(
        "dead_letters",
        "letter_id",
        0,
        (
            *("letter_id", "topic", "partition_id", "record_offset", "digest", "timestamp_ms"),
            *("record_key", "record_value", "headers", "error_type", "message", "stack_trace"),
            *("retry_count", "kept_us"),
        ),
        at_once=50,
        has_identity=True,
    ),
    _Table(
        "silences",
        "silence_id",
        "",
        (
            *("silence_id", "rule_id", "plate", "camera_id", "condition", "starts_us", "ends_us"),
            *("created_by", "comment", "changed_us"),
        ),
    ),
    _Table("replayed_letters", "letter_id", "", ("letter_id", "replayed_us")),
    # A file may be large.
    _Table("rule_files", "digest", "", ("digest", "content"), at_once=10),
    _Table("rule_sets", "digest", "", ("digest", "files")),
    _Table(
        "rule_set_uses",
        "use_id",
        0,
        ("use_id", "digest", "instance_id", "from_us", "until_us"),
        has_identity=True,
    ),
)
_COUNTS: Final = {each.name: both(f"SELECT COUNT(*) FROM {each.name}") for each in TABLES}
#: What changes with each change of what is copied.
_LATEST: Final = both("""
SELECT (SELECT COALESCE(MAX(changed_us), 0) FROM deliveries),
    (SELECT COALESCE(MAX(stored_us), 0) FROM alerts),
    (SELECT COALESCE(MAX(changed_us), 0) FROM suppressed),
    (SELECT COALESCE(MAX(changed_us), 0) FROM silences),
    (SELECT COALESCE(MAX(until_us), 0) FROM rule_set_uses),
    (SELECT COALESCE(MAX(value), 0) FROM meta WHERE name = 'seen'),
    (SELECT COALESCE(MAX(value), 0) FROM meta WHERE name = 'redeliveries')
""")


#: SQLite notes what it has given only once it has given something.
_GIVE_ABOVE_FIRST: Final = each_its_own(
    "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :highest)", "SELECT 1"
)


@dataclass(frozen=True, slots=True)
class Copied:
    """What both stores hold after a copy: rows by table; `is_new` is False if they did before."""

    rows: Mapping[str, int]
    is_new: bool


def copy_store(
    source: SqliteLocation | PostgresLocation, target: SqliteLocation | PostgresLocation
) -> Copied:
    """Copy everything from `source` to `target`, which is made where it is missing.

    A SQLite file of the version before is carried over first. Rows keep their ids. After an error
    the same call goes on. Raises StoreInUseError where an engine runs on either, StoreError where
    `target` has alerts that are not those of `source`, and StoreUnavailableError for what may pass.
    """
    if source.shown == target.shown:
        raise StoreError(f"{source.shown} can't be copied to itself, name another store")
    with ExitStack() as stack:
        # The lock on a file keeps its engine from starting.
        from_database = _open_source(source)
        stack.callback(from_database.close)
        to_database = _open_target(target)
        stack.callback(to_database.close)
        reader, writer = (each.connect(Durability.FULL) for each in (from_database, to_database))
        _refuse_engines(reader, source)
        _refuse_engines(writer, target)
        is_new = _copy(reader, writer, source.shown, target.shown)
        # A database has no lock that keeps an engine away for so long.
        _refuse_engines(reader, source)
        if is_new:
            _drop_mark(writer)
        return Copied(_counts(reader), is_new)


def _open_source(location: SqliteLocation | PostgresLocation) -> Database:
    if isinstance(location, PostgresLocation):
        return open_postgresql(location, OpenMode.TOOL)
    if not location.path.is_file():
        raise StoreError(f"there is no store {location.path}, name the one that is to be copied")
    return open_sqlite(location, OpenMode.ENGINE)


def _open_target(location: SqliteLocation | PostgresLocation) -> Database:
    if isinstance(location, PostgresLocation):
        return open_postgresql(location, OpenMode.ENGINE)
    return open_sqlite(location, OpenMode.ENGINE)


def _refuse_engines(connection: Connection, location: SqliteLocation | PostgresLocation) -> None:
    # What a killed engine left in a file says nothing: the lock does.
    if isinstance(location, SqliteLocation):
        return
    found = connection.transact(
        lambda transaction: running(transaction.rows(statements.INSTANCES), transaction.now_us)
    )
    if found:
        names = ", ".join(each.instance_id for each in found)
        raise StoreInUseError(
            f"an engine uses the store {location.shown} ({names}), stop it, or wait for half a "
            "minute if it was killed"
        )


def _copy(reader: Connection, writer: Connection, source: str, target: str) -> bool:
    """Make both the same; returns False if they were."""
    mark = _fingerprint(reader)
    found = writer.row(statements.META, {"name": HALF_COPIED})
    if found is None and _has_alerts(writer):
        if differing := _find_difference(reader, writer):
            raise StoreError(
                f"the store {target} has rows of its own in {differing}, name an empty one, or the "
                "half of a copy"
            )
        return False
    if found is None or found[0] != mark:
        # Empty, or the half of another copy: the source has changed since.
        _clear(writer, mark)
    for table in TABLES:
        _copy_table(table, reader, writer)
    _copy_rest(reader, writer)
    if differing := _find_difference(reader, writer):
        raise StoreError(
            f"the table {differing} of {target} is not that of {source}: somebody has changed one "
            "of them meanwhile, copy again"
        )
    return True


def _fingerprint(reader: Connection) -> int:
    """A number that is another one after a change of the store."""
    facts = [*_counts(reader).values(), reader.row(_LATEST), reader.rows(TABLES[0].page, _FIRST)]
    facts += [_highest_given(reader, each) for each in TABLES if each.has_identity]
    digest = blake2b(repr(facts).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


_FIRST: Final[Mapping[str, Any]] = {"after": "", "limit": 100}


def _counts(connection: Connection) -> dict[str, int]:
    counts = ((name, connection.row(count)) for name, count in _COUNTS.items())
    return {name: int(row[0]) if row else 0 for name, row in counts}


def _has_alerts(writer: Connection) -> bool:
    counts = _counts(writer)
    return counts["alerts"] + counts["dead_letters"] > 0


def _clear(writer: Connection, mark: int) -> None:
    def work(transaction: Transaction) -> None:
        transaction.run(statements.SET_META, {"name": HALF_COPIED, "value": mark})
        for table in reversed(TABLES):
            transaction.run(table.deletion)

    writer.transact(work)


def _copy_table(table: _Table, reader: Connection, writer: Connection) -> None:
    last = writer.row(table.last)
    for rows in _pages(table, reader, table.lowest if last is None else last[0]):
        _insert(table, rows, writer)


def _insert(table: _Table, rows: list[Row], writer: Connection) -> None:
    values = [dict(zip(table.columns, row, strict=True)) for row in rows]
    writer.transact(lambda transaction: transaction.run_many(table.insertion, values))


def _pages(table: _Table, connection: Connection, after: str | int | bytes) -> Iterator[list[Row]]:
    position = table.columns.index(table.key)
    while rows := connection.rows(table.page, {"after": after, "limit": table.at_once}):
        yield rows
        after = rows[-1][position]


def _copy_rest(reader: Connection, writer: Connection) -> None:
    """Copy what is in no table of its own."""
    meta = {name: reader.row(statements.META, {"name": name}) for name in _META}
    highest = {each: _highest_given(reader, each) for each in TABLES if each.has_identity}

    def work(transaction: Transaction) -> None:
        for name, row in meta.items():
            if row is not None:
                transaction.run(statements.SET_META, {"name": name, "value": row[0]})
        for table, number in highest.items():
            if number and not transaction.run(table.give_above, {"highest": number}):
                transaction.run(_GIVE_ABOVE_FIRST, {"name": table.name, "highest": number})

    writer.transact(work)


def _highest_given(reader: Connection, table: _Table) -> int:
    row = reader.row(table.highest_given)
    return int(row[0] or 0) if row else 0


def _find_difference(reader: Connection, writer: Connection) -> str:
    """The name of the first table whose rows are not the same; "" if all are."""
    for table in TABLES:
        pages = (_pages(table, each, table.lowest) for each in (reader, writer))
        if any(one != other for one, other in zip_longest(*pages)):
            return table.name
    return ""


def _drop_mark(writer: Connection) -> None:
    writer.transact(
        lambda transaction: transaction.run(statements.DELETE_META, {"name": HALF_COPIED})
    )
