"""The statements that find and remove what is stored of one plate, in both dialects.

SQLite looks through a long table in parts, for Python has to look at each row. PostgreSQL does it
by itself, at once: only so it takes several processes.
"""

# ruff: noqa: S608 - the statements are put together from constants of this module only
from __future__ import annotations

from typing import Final

from engine.store.database import Statement, both, each_its_own
from engine.store.statements import _with_lists as with_lists

#: How many rows one statement of SQLite looks through.
ROWS_AT_ONCE: Final = 50_000


def _extent(table: str) -> Statement:
    return each_its_own(
        f"SELECT COALESCE(MAX(rowid), 0) + 1, {ROWS_AT_ONCE} FROM {table}", "SELECT 1, 1"
    )


def _part(columns: str, table: str, text: str) -> Statement:
    """A part of a table; PostgreSQL leaves out what certainly does not name the plate."""
    return each_its_own(
        f"SELECT {columns} FROM {table} WHERE rowid >= :first AND rowid < :end "
        "AND :pattern IS NOT NULL",
        f"SELECT {columns} FROM {table} WHERE {text} ~ :pattern",
    )


EVENTS_EXTENT: Final = _extent("events")
ALERTS_EXTENT: Final = _extent("alerts")
PART_OF_EVENTS: Final = _part("digest, event", "events", "convert_from(event, 'UTF8')")
_ALERT_TEXT: Final = (
    "(message || ' ' || COALESCE(dedup_key, '') || ' ' || rule_id || ' ' || rule_name || ' '"
    " || matched_plate)"
)
PART_OF_ALERTS: Final = _part("alert_id, " + _ALERT_TEXT, "alerts", _ALERT_TEXT)
ALERTS_OF_PLATE: Final = both("SELECT alert_id FROM alerts WHERE plate = :plate")
#: Few alerts have one, so that no index is worth its price.
NEAR_PLATES: Final = both("SELECT alert_id, matched_plate FROM alerts WHERE matched_plate <> ''")
ALERTS_OF_EVENT: Final = both("SELECT alert_id FROM alerts WHERE digest = :digest")
#: One that goes in a message of several is claimed as its lead is.
OPEN_DELIVERIES: Final = with_lists(
    """
SELECT d.delivery_id, d.alert_id, d.channel, d.target_id,
    COALESCE(l.claimed_until_us, d.claimed_until_us)
FROM deliveries d LEFT JOIN deliveries l ON d.lead_id > 0 AND l.delivery_id = d.lead_id
WHERE d.state = 'waiting' AND d.alert_id IN ({alert_ids}) ORDER BY d.delivery_id
""",
    "alert_ids",
)
DELIVERIES_OF: Final = with_lists(
    "SELECT COUNT(*) FROM deliveries WHERE alert_id IN ({alert_ids})", "alert_ids"
)
DELETE_DELIVERIES: Final = with_lists(
    "DELETE FROM deliveries WHERE alert_id IN ({alert_ids})", "alert_ids"
)
_DELETE_ALERTS: Final = with_lists(
    "DELETE FROM alerts WHERE alert_id IN ({alert_ids}) RETURNING digest, dedup_key", "alert_ids"
)
#: What follows says where PostgreSQL had the row, and how many bytes it took.
DELETE_ALERTS: Final = Statement(
    f"{_DELETE_ALERTS.sqlite}, '', 0",
    f"{_DELETE_ALERTS.postgresql}, ctid::text, pg_column_size(alerts)",
)
_DELETE_EVENT: Final = """DELETE FROM events WHERE digest = :digest AND NOT EXISTS (
    SELECT 1 FROM alerts a WHERE a.digest = :digest)
RETURNING """
DELETE_EVENT: Final = each_its_own(
    f"{_DELETE_EVENT}'', 0", f"{_DELETE_EVENT}ctid::text, pg_column_size(events)"
)
DELETE_SUPPRESSED: Final = with_lists(
    "DELETE FROM suppressed WHERE key_id IN ({key_ids})", "key_ids"
)
DELETE_SILENCES: Final = with_lists(
    "DELETE FROM silences WHERE silence_id IN ({silence_ids})", "silence_ids"
)
RULE_FILE_NAMES: Final = both("SELECT digest FROM rule_files ORDER BY digest")
RULE_FILE: Final = both("SELECT content FROM rule_files WHERE digest = :hex_digest")
