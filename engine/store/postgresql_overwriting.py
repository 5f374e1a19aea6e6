"""Overwrites what PostgreSQL's files still hold of deleted rows, without locking a large table.

VACUUM gives the room of a dead row back, and moves the rows behind it together; the bytes at the
end of what is free then stay as they were. New versions of another row of the same page, in a
transaction that is rolled back, are written over them and change nothing.
"""

# ruff: noqa: S608 - the statements are put together from constants of this module only
from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from psycopg.errors import Diagnostic

from engine.store.database import Freed

#: A smaller table is rewritten whole, which takes a fraction of a second.
REWRITTEN_BYTES: Final = 8 << 20
#: How long other sessions may wait behind a rewrite that waits for its lock itself.
_LOCK_TIMEOUT: Final = "1s"
#: How often is tried what another session is in the way of, and how long is waited in between.
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 1.0
#: How many pages one transaction overwrites: so long their rows are locked.
_PAGES_AT_ONCE: Final = 100
#: How many new rows are tried for each page that has none left: they may go to other free pages.
_NEW_ROWS_PER_PAGE: Final = 50
# A larger row is not in its page, but in pieces in the table's TOAST.
_LARGEST_INLINE: Final = 2_032
_LARGEST_BLANK: Final = 1_900
# What the alignment of columns and the length of a text may take.
_ALIGNMENT: Final = 16
_UNREMOVABLE: Final = re.compile(
    r"(\d+) (?:are dead but not yet removable|dead row versions cannot be removed yet)"
)
_INDEX: Final = "alerts_by_plate"
_HALF_BUILT: Final[LiteralString] = "DROP INDEX CONCURRENTLY IF EXISTS alerts_by_plate_ccnew"
#: The tables whose columns hold plates, with the columns that statistics are kept of.
_TABLES: Final[tuple[LiteralString, ...]] = ("alerts", "events", "silences", "dead_letters")


class _Filler(NamedTuple):
    """How a table's row is made `{fill}` bytes long: `key` finds it, `lengths` is what it keeps.

    `new` adds a row of nearly LARGEST_INLINE bytes.
    """

    key: LiteralString
    lengths: LiteralString
    blank: LiteralString
    new: LiteralString


_FILLERS: Final[Mapping[LiteralString, _Filler]] = {
    "alerts": _Filler(
        "alert_id",
        "octet_length(alert_id) + octet_length(rule_id)",
        """message = repeat(' ', greatest(0, {fill})), dedup_key = NULL, key_id = NULL,
    rule_name = '', priority = '', captured_at = '', created_at = '', topic = '', plate = '',
    camera_id = '', rules_digest = '', silenced_by = '', matched_plate = ''""",
        """INSERT INTO alerts (alert_id, digest, rule_id, time_us, stored_us, is_expired, rule_name,
    priority, message, captured_at, created_at, suppressed_count, late_seconds, topic,
    partition_id, record_offset)
VALUES (gen_random_uuid()::text, uuid_send(gen_random_uuid()), '', 0, 0, 0, '', '',
    repeat(' ', 1700), '', '', 0, 0, '', 0, 0)""",
    ),
    "events": _Filler(
        "digest",
        "octet_length(digest)",
        "event = convert_to(repeat(' ', greatest(0, {fill})), 'UTF8')",
        """INSERT INTO events (digest, event)
VALUES (uuid_send(gen_random_uuid()), convert_to(repeat(' ', 1900), 'UTF8'))""",
    ),
}


class _Notices:
    """What the server says beside its answers; a context in which it is heard."""

    def __init__(self, opened: psycopg.Connection[Any]) -> None:
        self._opened = opened
        self.said: list[str] = []

    def _hear(self, notice: Diagnostic) -> None:
        parts = (notice.severity_nonlocalized, notice.message_primary, notice.message_detail)
        self.said.append(" ".join(part for part in parts if part))

    def __enter__(self) -> _Notices:
        self._opened.add_notice_handler(self._hear)
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.remove_notice_handler(self._hear)

    @property
    def warning(self) -> str:
        """The first warning, "" where there was none."""
        return next((each for each in self.said if each.startswith("WARNING")), "")

    @property
    def unremovable(self) -> int:
        """How many dead rows a VACUUM had to leave, since an older transaction may see them."""
        return sum(int(found[1]) for each in self.said if (found := _UNREMOVABLE.search(each)))


def overwrite(
    opened: psycopg.Connection[Any], freed: Freed, deleted: Mapping[str, int]
) -> list[str]:
    """Overwrite what the files still hold of rows that are deleted; returns what is left.

    `opened` has no transaction and waits long enough. `freed` and `deleted` as for a `Database`.
    Raises psycopg.Error.
    """
    left: list[str] = []
    for table in _TABLES:
        if not deleted.get(table):
            continue
        if _size(opened, table) <= REWRITTEN_BYTES:
            left += _vacuum(opened, table, "FULL, VERBOSE")
        else:
            left += _vacuum(opened, table, "VERBOSE, TRUNCATE FALSE, INDEX_CLEANUP ON")
            left += _overwrite_pages(opened, table, freed.get(table, []))
            if table == "alerts":
                left += _reindex(opened)
        # It holds values as they are, the most common ones first.
        opened.execute(f"ANALYZE {table}")
    if any(deleted.get(table) for table in _TABLES):
        left += _rewrite_statistics(opened)
    return left


def _size(opened: psycopg.Connection[Any], table: str) -> int:
    row = opened.execute("SELECT pg_total_relation_size(%s::text::regclass)", (table,)).fetchone()
    return int(row[0]) if row else 0


def _vacuum(opened: psycopg.Connection[Any], table: str, options: LiteralString) -> list[str]:
    said = ""
    for _ in _tries():
        with _Notices(opened) as notices:
            if "FULL" in options:
                opened.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            try:
                opened.execute(f"VACUUM ({options}) {table}")
            except psycopg.errors.LockNotAvailable:
                said = "another session keeps it locked"
                continue
            finally:
                opened.execute("RESET lock_timeout")
        said = notices.warning
        if not said and notices.unremovable:
            said = "an older transaction may still read the rows"
        if not said:
            return []
    return [f"table {table} could not be vacuumed: {said}: VACUUM FULL {table}"]


def _tries() -> Iterator[None]:
    for number in range(_TRIES):
        if number:
            time.sleep(_PAUSE_SECONDS)
        yield


def _overwrite_pages(
    opened: psycopg.Connection[Any], table: str, places: list[tuple[str, int]]
) -> list[str]:
    """Write over the freed room of the pages that lost rows; returns what is left."""
    filler = _FILLERS.get(table)
    if filler is None:
        return [f"free room in table {table} may still hold it: VACUUM FULL {table}"]
    pages: dict[int, list[int]] = defaultdict(list)
    toasted = 0
    for place, size in places:
        toasted += size > _LARGEST_INLINE
        # Rows begin at multiples of 8 bytes.
        pages[_page(place)].append(min(-(-size // 8) * 8, _LARGEST_INLINE))
    try:
        pen = _Pen(opened, table, filler)
        empty: dict[int, list[int]] = {}
        numbers = sorted(pages)
        for first in range(0, len(numbers), _PAGES_AT_ONCE):
            some = {number: pages[number] for number in numbers[first : first + _PAGES_AT_ONCE]}
            with _in_vain(opened):
                empty |= pen.fill(some)
        with _in_vain(opened):
            empty = pen.fill_empty(empty)
    except psycopg.errors.InsufficientPrivilege:
        return [f"the role may not write over rows of table {table}: VACUUM FULL {table}"]
    left = []
    if empty:
        left.append(
            f"{len(empty):,} pages of table {table} held nothing else, and keep it until they are "
            f"used again: VACUUM FULL {table}"
        )
    if toasted:
        left.append(
            f"{toasted:,} rows of table {table} were too long for a page, their pieces stay until "
            f"their room is used again: VACUUM FULL {table}"
        )
    return left


class _Pen:
    """Writes blanks over the room that pages of one table have; each call in a transaction."""

    def __init__(self, opened: psycopg.Connection[Any], table: str, filler: _Filler) -> None:
        self._opened = opened
        blank = f"UPDATE {table} SET {filler.blank} WHERE {filler.key}"
        self._any_row = (
            f"SELECT {filler.key} FROM {table} "
            "WHERE ctid >= %s::text::tid AND ctid < %s::text::tid LIMIT 1"
        )
        self._new_row = f"{filler.new} RETURNING ctid::text, {filler.key}, pg_column_size({table})"
        measure = (
            f"{blank.format(fill='0')} = (SELECT {filler.key} FROM {table} LIMIT 1) "
            f"RETURNING pg_column_size({table}) - ({filler.lengths})"
        )
        with _in_vain(opened):
            row = opened.execute(measure.encode()).fetchone()
        # What a blank row takes beside the texts that it keeps.
        fixed = row[0] if row else 0
        fill = f"%(size)s - {fixed + _ALIGNMENT} - ({filler.lengths})"
        self._update = f"{blank.format(fill=fill)} = %(key)s RETURNING ctid::text"

    def fill(self, pages: Mapping[int, list[int]]) -> dict[int, list[int]]:
        """Fill pages, by the sizes of the rows that each lost; returns those that have no row."""
        empty = {}
        for page, sizes in pages.items():
            bounds = (f"({page},0)", f"({page + 1},0)")
            row = self._opened.execute(self._any_row.encode(), bounds).fetchone()
            if row is None:
                empty[page] = sizes
            else:
                self._fill_page(page, row[0], sizes)
        return empty

    def fill_empty(self, pages: Mapping[int, list[int]]) -> dict[int, list[int]]:
        """Fill pages without a row, where the server puts new rows; returns those it did not."""
        left = dict(pages)
        for _ in range(_NEW_ROWS_PER_PAGE * len(pages)):
            if not left:
                break
            row = self._opened.execute(self._new_row.encode()).fetchone()
            page = _page(row[0]) if row else -1
            if row is not None and page in left:
                self._fill_page(page, row[1], _shares(sum(left.pop(page)) - row[2]))
        return left

    def _fill_page(self, page: int, key: object, sizes: list[int]) -> None:
        """A blank for each row that the page lost, of its size, and then small ones."""
        left = list(sizes)
        is_there = True
        while is_there:
            asked = {"size": left.pop() if left else 0, "key": key}
            moved = self._opened.execute(self._update.encode(), asked).fetchone()
            # Where it found no room it went to another page: this one is full.
            is_there = moved is not None and _page(moved[0]) == page


def _shares(size: int) -> list[int]:
    """So many bytes in the least number of rows, all of one size."""
    count = max(0, -(-size // _LARGEST_BLANK))
    return [size // count] * count


@contextmanager
def _in_vain(opened: psycopg.Connection[Any]) -> Iterator[None]:
    """A context with a transaction that is rolled back in the end."""
    opened.execute("BEGIN")
    try:
        yield
    finally:
        opened.execute("ROLLBACK")


def _page(place: str) -> int:
    return int(place[1:].partition(",")[0])


def _reindex(opened: psycopg.Connection[Any]) -> list[str]:
    # One that was cut short leaves half an index, which every write would go on to fill.
    opened.execute(_HALF_BUILT)
    try:
        opened.execute(f"REINDEX INDEX CONCURRENTLY {_INDEX}")
    except psycopg.errors.Error as error:
        if opened.closed:
            raise
        opened.execute(_HALF_BUILT)
        why = str(error.diag.message_primary or error)
        return [f"index {_INDEX} could not be built anew: {why}: REINDEX INDEX {_INDEX}"]
    return []


def _rewrite_statistics(opened: psycopg.Connection[Any]) -> list[str]:
    with _Notices(opened) as notices:
        opened.execute("VACUUM (FULL) pg_statistic")
    if notices.warning:
        return [
            "the planner's statistics may still hold it, as a superuser: VACUUM FULL pg_statistic"
        ]
    return []
