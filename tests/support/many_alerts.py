"""A store of many alerts, which its database makes by itself, and a search of its files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from tests.support.postgresql import PostgreSQL

#: One car in so many alerts is the one that is looked for.
EVERY = 1_000
PLATE = "ZQX7731"
#: Where so many in a row begin that are all of it.
FIRST = 5_000
#: As its events write it.
WRITTEN = "ZQX 7731"

# Of n: alerts of a plate with seven signs, each of its own event of some 700 bytes, and a delivery.
_PLATE = """CASE WHEN n % {every} = 7 OR (n >= {first} AND n < {first} + {in_a_row})
    THEN '{plate}' ELSE 'K' || (1000000 + n) END"""
_EVENT = """'{{"event_id":"' || n || '","camera_id":"gate-' || (n % 50) ||
    '","plate":{{"text":"' || substr(plate, 1, 3) || ' ' || substr(plate, 4) ||
    '","normalized_text":"' || plate || '"}},"notes":"' || {notes} || '"}}'"""
_COLUMNS = """alert_id, digest, rule_id, dedup_key, key_id, time_us, stored_us, is_expired,
    rule_name, priority, message, captured_at, created_at, suppressed_count, late_seconds, topic,
    partition_id, record_offset, plate, camera_id"""
_ALERT = """'alert-' || n, {digest}, 'watch', '["watch",["plate"],["' || plate || '"]]',
    'key-' || n, n, n, 0, 'Watched', 'high', 'Watched car ' || plate || ' at gate ' || (n % 50),
    '2025-12-25T16:00:00Z', '2025-12-25T16:00:01Z', 0, 0.5, 'plates', 0, n, plate, 'gate-1'"""
_DELIVERIES = """INSERT INTO deliveries (alert_id, channel, target_id, state, priority_rank, tries,
    reason, detail, waiting_since_us, changed_us)
SELECT alert_id, 'mail', 'mail/ann', 'sent', 0, 1, '', '', 0, 0 FROM alerts"""


def fill_with_alerts(url: str, count: int, in_a_row: int = 0) -> None:
    """Put so many alerts into an empty store; one of EVERY is of PLATE, and some in a row."""
    plate = _PLATE.format(every=EVERY, plate=PLATE, first=FIRST, in_a_row=in_a_row)
    if url.startswith("sqlite:///"):
        numbers = f"""WITH RECURSIVE numbers (n) AS (
    SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count - 1}),
cars AS (SELECT n, {plate} AS plate FROM numbers)"""
        digest, notes, blob = "CAST(printf('%016d', n) AS BLOB)", "printf('%.550c', 'x')", "BLOB"
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened, opened:
            for statement in _statements(numbers, digest, notes, blob):
                opened.execute(statement)
        return
    cars = f"WITH cars AS (SELECT n, {plate} AS plate FROM generate_series(0, {count - 1}) AS n)"
    digest = "convert_to(lpad(n::text, 16, '0'), 'UTF8')"
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _statements(cars, digest, "repeat('x', 550)", "bytea"):
            connection.execute(statement.encode())
        for table in ("alerts", "events", "deliveries"):
            # As autovacuum would have, with time.
            connection.execute(f"VACUUM (ANALYZE) {table}")


def _statements(cars: str, digest: str, notes: str, blob: str) -> tuple[str, str, str]:
    event = _EVENT.format(notes=notes)
    binary = f"CAST({event} AS BLOB)" if blob == "BLOB" else f"convert_to({event}, 'UTF8')"
    return (
        f"INSERT INTO events (digest, event) {cars} SELECT {digest}, {binary} FROM cars",
        f"INSERT INTO alerts ({_COLUMNS}) {cars} SELECT {_ALERT.format(digest=digest)} FROM cars",
        _DELIVERIES,
    )


def sqlite_holds(url: str, *texts: str) -> list[str]:
    """The files of a store, its log among them, that hold one of these texts."""
    path = Path(url.removeprefix("sqlite:///"))
    files = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]
    return [each.name for each in files if each.exists() and _holds(each, texts)]


def postgresql_holds(server: PostgreSQL, url: str, *texts: str) -> list[str]:
    """The files of a database that hold one of these texts, after a checkpoint."""
    name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
    with psycopg.connect(server.url(name, "postgres"), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        assert row is not None
        names = connection.execute("SELECT pg_relation_filepath(oid), relname FROM pg_class")
        tables = {Path(path).name: table for path, table in names if path is not None}
    files = sorted((server.data / "base" / str(row[0])).iterdir())
    return [tables.get(each.name, each.name) for each in files if _holds(each, texts)]


def _holds(path: Path, texts: tuple[str, ...]) -> bool:
    content = path.read_bytes()
    return any(each.encode() in content for each in texts)
