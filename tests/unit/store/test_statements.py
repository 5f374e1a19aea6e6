"""Every statement finds what it needs in the large tables by an index, on both engines."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from engine.store import open_store, statements
from engine.store.database import Statement
from tests.support.postgresql import PostgreSQL
from tests.unit.store.samples import state_url

ALERTS = 1_000_000
#: The tables that grow with the alerts.
LARGE = ("alerts", "deliveries", "events")

STATEMENTS = {
    name: value for name, value in vars(statements).items() if isinstance(value, Statement)
}
#: It runs once, after the migration of a store.
ONCE = {"RENAME_DELIVERIES"}

#: What people ask about one car or one camera, and the index that answers it.
BY_INDEX = {
    "ALERTS_OF_PLATE": "alerts_by_plate",
    "ALERTS_NEAR_PLATE": "alerts_by_matched_plate",
    "ALERTS_OF_CAMERA": "alerts_by_camera",
}

VALUES: dict[str, Any] = {
    "alert_ids": '["alert-7"]',
    "target_ids": '["mail/7"]',
    "key_ids": '["key-7"]',
    "digests": '["digest-7"]',
    "ids": "[7]",
    "same": '["mail/7"]',
    "moments": '[["key-7", 5, 9]]',
    "marks": '[{"delivery_id": 7, "claim_no": 0, "state": "sent", "tries": 1, "failures": 0,'
    ' "failed_us": 0, "next_try_us": 0, "reason": "", "detail": ""}]',
    "digest": b"\x00" * 16,
    "value": 1,
    "key": b"",
    "headers": "[]",
    "limit": 10,
    "offset": 1,
    "partition": 1,
    "event": b"{}",
    "content": b"",
    "late_seconds": 0.5,
    "likeness": 0.9,
    "partitions": "[]",
    "refused": "[]",
}
_NUMBERS = re.compile(
    r"_us$|_id$|_count$|_rank$|^(added|told|tries|failures|concurrency|lag|probes|failing|is_\w+"
    r"|most_bytes|timestamp_ms)$"
)
_TEXTS = {"alert_id", "target_id", "former_id", "successor_id", "key_id", "rule_id", "instance_id"}
_TEXTS |= {"camera_id", "silence_id"}


def values_of(statement: str, mark: str) -> dict[str, Any]:
    """A value for each parameter of the statement."""
    names = set(re.findall(mark, statement))
    values = {name: VALUES.get(name, _plain(name)) for name in names}
    return values | {"value": b""} if "record_value" in statement and "value" in names else values


def _plain(name: str) -> Any:
    if name == "owner" or name in _TEXTS or not _NUMBERS.search(name):
        return "7"
    # Recent, or of the first few.
    return 999_990


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A SQLite store without rows: its plans are made without looking at them."""
    folder = tmp_path_factory.mktemp("plans")
    open_store(state_url(folder)).close()
    connection = sqlite3.connect(folder / "alerts.db")
    yield connection
    connection.close()


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - ONCE))
def test_sqlite_scans_no_large_table(plans: sqlite3.Connection, name: str) -> None:
    text = STATEMENTS[name].sqlite
    steps = plans.execute(f"EXPLAIN QUERY PLAN {text}", values_of(text, r":([a-z_]+)"))
    plan = "\n".join(step[3] for step in steps)
    for table in (*LARGE, "a", "d", "e", "other", "given"):
        scans = re.findall(rf"^SCAN {table}\b.*", plan, re.M)
        # Backlogs are counted over the waiting ones only, and the newest ids come first.
        assert all("deliveries_" in scan or "alerts_by_age" in scan for scan in scans), plan


@pytest.mark.parametrize(
    "name", ["CLAIM_DUE", "CLAIM_FRESH", "CLAIM_PROBE", "GIVE_UP", "WAITING_IDS", "OLD_ALERTS"]
)
def test_sqlite_sorts_nothing_for_the_order(plans: sqlite3.Connection, name: str) -> None:
    text = STATEMENTS[name].sqlite
    steps = plans.execute(f"EXPLAIN QUERY PLAN {text}", values_of(text, r":([a-z_]+)"))
    assert "TEMP B-TREE FOR ORDER" not in "\n".join(step[3] for step in steps)


@pytest.mark.parametrize("name", BY_INDEX)
def test_sqlite_finds_alerts_of_a_plate_and_of_a_camera_by_index(
    plans: sqlite3.Connection, name: str
) -> None:
    text = STATEMENTS[name].sqlite
    steps = plans.execute(f"EXPLAIN QUERY PLAN {text}", values_of(text, r":([a-z_]+)"))
    plan = "\n".join(step[3] for step in steps)
    assert f"SEARCH a USING INDEX {BY_INDEX[name]}" in plan
    assert "TEMP B-TREE FOR ORDER" not in plan


@pytest.fixture(scope="module")
def million(postgresql: PostgreSQL) -> Iterator[psycopg.Connection]:
    """A PostgreSQL store with 10^6 alerts, of which a thousand deliveries wait for 200 targets."""
    url = postgresql.create_database()
    open_store(url).close()
    with psycopg.connect(url, autocommit=True) as connection:
        for text in _FILL:
            connection.execute(text)
        yield connection
    postgresql.drop_database(url)


_FILL = (
    f"""
    INSERT INTO events (digest, event)
    SELECT decode(md5(n::text), 'hex'), '{{}}'::bytea FROM generate_series(1, {ALERTS}) AS n
    """,
    f"""
    INSERT INTO alerts (alert_id, digest, rule_id, dedup_key, key_id, time_us, stored_us,
        is_expired, rule_name, priority, message, captured_at, created_at, suppressed_count,
        late_seconds, topic, partition_id, record_offset, plate, camera_id)
    SELECT 'alert-' || n, decode(md5(n::text), 'hex'), 'rule-' || n % 100, 'k', 'key-' || n % 9999,
        n, n, 0, 'A rule', 'high', 'm', '', '', 0, 0.0, 'plates', 0, n, n % 99999, n % 101
    FROM generate_series(1, {ALERTS}) AS n
    """,
    f"""
    INSERT INTO deliveries (alert_id, channel, target_id, state, priority_rank, tries, reason,
        detail, waiting_since_us, changed_us)
    SELECT 'alert-' || n, 'mail', 'mail/' || n % 200,
        CASE WHEN n > {ALERTS} - 1000 THEN 'waiting' WHEN n % 1000 = 0 THEN 'dead' ELSE 'sent' END,
        n % 3, 0, '', '', n, n
    FROM generate_series(1, {ALERTS}) AS n
    """,
    """
    INSERT INTO targets (target_id, channel, concurrency)
    SELECT 'mail/' || n, 'mail', 1 FROM generate_series(0, 199) AS n
    """,
    "VACUUM ANALYZE",
)


@pytest.mark.slow
def test_postgresql_scans_no_large_table(million: psycopg.Connection) -> None:
    scans = {}
    for name in sorted(STATEMENTS.keys() - ONCE):
        text = STATEMENTS[name].postgresql
        # The order of fields, so that the same plan is made as with the values bound.
        explained = f"EXPLAIN {text}"
        values = values_of(text, r"%\(([a-z_]+)\)s")
        plan = "\n".join(row[0] for row in million.execute(explained, values).fetchall())
        if found := re.findall(rf"Seq Scan on (?:{'|'.join(LARGE)})\b.*", plan):
            scans[name] = (found, plan)
    assert scans == {}


@pytest.mark.slow
def test_postgresql_finds_alerts_of_a_plate_and_of_a_camera_by_index(
    million: psycopg.Connection,
) -> None:
    for name, index in BY_INDEX.items():
        text = STATEMENTS[name].postgresql
        values = values_of(text, r"%\(([a-z_]+)\)s") | {"since_us": 0, "rule_id": ""}
        # As the driver prepares it after some calls, and as it is before.
        for mode in ("force_generic_plan", "force_custom_plan"):
            million.execute(f"SET plan_cache_mode = {mode}")
            explained = million.execute(f"EXPLAIN {text}", values, prepare=True).fetchall()
            plan = "\n".join(row[0] for row in explained)
            assert index in plan, plan
    million.execute("RESET plan_cache_mode")


#: What a turn of the claimer asks.
TURN = (
    *("TARGETS_LOCKED", "MARK", "DUE_TARGETS", "CLAIMS_IN_FORCE", "CLAIMED", "NEXT_DUE"),
    *("CLAIM_DUE", "CLAIM_FRESH", "CLAIM_FAILED", "CLAIM_PROBE", "HAS_FAILED"),
)
#: A claim reads fewer than a hundred, for four deliveries and five indexes.
MOST_BLOCKS = 150


@pytest.mark.slow
@pytest.mark.parametrize("count", [1_000, 10_000])
def test_a_turn_reads_little_before_postgresql_has_statistics(database: str, count: int) -> None:
    open_store(database).close()
    asked = {"target_id": "mail/1", "limit": 4, "now_us": 1 << 52, "until_us": (1 << 52) + 1}
    asked |= {"probe_rank": -1, "probe_id": 0, "backlog_id": 0}
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE deliveries SET (autovacuum_enabled = off)")
        for text in _FILL[:-1]:
            fewer = text.replace("% 200", "% 2").replace("0, 199", "0, 1")
            connection.execute(fewer.replace(str(ALERTS), str(count)))
        connection.execute("UPDATE deliveries SET state = 'waiting'")
        blocks = {}
        for mode in ("force_generic_plan", "force_custom_plan"):
            connection.execute(f"SET plan_cache_mode = {mode}")
            for name in TURN:
                text = STATEMENTS[name].postgresql
                values = values_of(text, r"%\(([a-z_]+)\)s") | asked
                explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}"
                with connection.transaction(force_rollback=True):
                    ((plan,),) = connection.execute(explained, values, prepare=True).fetchall()
                blocks[name, mode] = plan[0]["Plan"]["Shared Hit Blocks"]
    assert {name: read for name, read in blocks.items() if read > MOST_BLOCKS} == {}
