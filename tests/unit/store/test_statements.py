"""The statements that run often find what they need by an index, in order, without a scan."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from importlib.resources import files

import pytest

from engine.store import statements


def plan(statement: str) -> str:
    database = sqlite3.connect(":memory:")
    try:
        database.executescript((files("engine.store") / "schema.sql").read_text("utf-8"))
        steps = database.execute(f"EXPLAIN QUERY PLAN {statement}", defaultdict(str))
        return "\n".join(step[3] for step in steps)
    finally:
        database.close()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (statements.HAS_ALERT, "sqlite_autoindex_alerts_2 (digest=? AND rule_id=?)"),
        (statements.HAS_ALERT_BETWEEN, "alerts_by_key (dedup_key=? AND time_us>? AND time_us<?)"),
        (statements.SUPPRESSED_COUNT, "sqlite_autoindex_suppressed_1 (dedup_key=?)"),
        (statements.WAITING, "deliveries_waiting (target_id=?)"),
        (statements.WAITING_IDS, "deliveries_waiting (target_id=?)"),
        (statements.MARK_SENT, "INTEGER PRIMARY KEY (rowid=?)"),
        (statements.REOPEN_DEAD, "deliveries_dead (changed_us>?)"),
        (statements.REOPEN_ALERT, "sqlite_autoindex_deliveries_1 (alert_id=?)"),
        (statements.ALERTS, "alerts_by_age (stored_us>?)"),
        (statements.ALERTS_FROM, "sqlite_autoindex_alerts_1 (alert_id>? AND alert_id<?)"),
        (statements.OLD_ALERTS, "alerts_by_age (stored_us<?)"),
        (statements.HAS_WAITING, "sqlite_autoindex_deliveries_1 (alert_id=?)"),
        (statements.DELETE_DELIVERIES, "sqlite_autoindex_deliveries_1 (alert_id=?)"),
        (statements.DELETE_OLD_SUPPRESSED, "suppressed_by_age (changed_us<?)"),
    ],
)
def test_an_index_serves_the_statement(statement: str, index: str) -> None:
    steps = plan(statement)
    assert index in steps
    assert "SCAN" not in steps


@pytest.mark.parametrize(
    "statement", [statements.WAITING, statements.WAITING_IDS, statements.OLD_ALERTS]
)
def test_the_order_comes_from_the_index(statement: str) -> None:
    assert "TEMP B-TREE" not in plan(statement)
