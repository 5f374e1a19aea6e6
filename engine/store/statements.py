"""Every statement of the store: standard SQL with named parameters, for SQLite and PostgreSQL."""

# ruff: noqa: S608 - the statements are put together from constants of this module only
from __future__ import annotations

from typing import Final

META: Final = "SELECT value FROM meta WHERE name = :name"
SET_META: Final = """
INSERT INTO meta (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
PROBE: Final = "UPDATE meta SET value = :now_us WHERE name = 'probe'"

HAS_ALERT: Final = "SELECT 1 FROM alerts WHERE digest = :digest AND rule_id = :rule_id"
HAS_ALERT_BETWEEN: Final = """
SELECT 1 FROM alerts
WHERE dedup_key = :dedup_key AND time_us > :after_us AND time_us < :before_us
LIMIT 1
"""
SUPPRESSED_COUNT: Final = "SELECT suppressed_count FROM suppressed WHERE dedup_key = :dedup_key"

INSERT_ALERT: Final = """
INSERT INTO alerts (
    alert_id, digest, rule_id, dedup_key, time_us, stored_us, is_expired, rule_name, priority,
    message, captured_at, created_at, suppressed_count, late_seconds, event, topic,
    partition_id, record_offset
) VALUES (
    :alert_id, :digest, :rule_id, :dedup_key, :time_us, :now_us, :is_expired, :rule_name, :priority,
    :message, :captured_at, :created_at, :suppressed_count, :late_seconds, :event, :topic,
    :partition, :offset
) ON CONFLICT (digest, rule_id) DO NOTHING
"""
INSERT_DELIVERY: Final = """
INSERT INTO deliveries (
    alert_id, channel, target_id, state, priority_rank, tries, reason, detail,
    waiting_since_us, changed_us
) VALUES (
    :alert_id, :channel, :target_id, 'waiting', :priority_rank, 0, '', '', :now_us, :now_us
) ON CONFLICT (alert_id, target_id) DO NOTHING
"""
RESET_SUPPRESSED: Final = "DELETE FROM suppressed WHERE dedup_key = :dedup_key"
ADD_SUPPRESSED: Final = """
INSERT INTO suppressed (dedup_key, suppressed_count, changed_us)
VALUES (:dedup_key, :added, :now_us)
ON CONFLICT (dedup_key) DO UPDATE SET
    suppressed_count = suppressed.suppressed_count + excluded.suppressed_count,
    changed_us = excluded.changed_us
"""

INSERT_DEAD_LETTER: Final = """
INSERT INTO dead_letters (
    topic, partition_id, record_offset, digest, timestamp_ms, record_key, record_value, headers,
    error_type, message, stack_trace, retry_count, kept_us
) VALUES (
    :topic, :partition, :offset, :digest, :timestamp_ms, :key, :value, :headers,
    :error_type, :message, :stack_trace, :retry_count, :now_us
) ON CONFLICT (topic, partition_id, record_offset, digest) DO NOTHING
"""
DEAD_LETTERS: Final = """
SELECT letter_id, topic, partition_id, record_offset, timestamp_ms, record_key, record_value,
    headers, error_type, message, stack_trace, retry_count
FROM dead_letters WHERE letter_id > :after_id ORDER BY letter_id LIMIT :limit
"""
_LETTER_BYTES: Final = """COALESCE(LENGTH(record_key), 0) + COALESCE(LENGTH(record_value), 0)
    + LENGTH(headers) + LENGTH(message) + COALESCE(LENGTH(stack_trace), 0)"""
DEAD_LETTER_BYTES: Final = f"SELECT COALESCE(SUM({_LETTER_BYTES}), 0) FROM dead_letters"
LETTER_BEYOND: Final = f"""
SELECT letter_id FROM (
    SELECT letter_id, SUM({_LETTER_BYTES}) OVER (ORDER BY letter_id DESC) AS total
    FROM dead_letters) AS sized
WHERE total > :most_bytes ORDER BY letter_id DESC LIMIT 1
"""
DELETE_LETTERS_TO: Final = "DELETE FROM dead_letters WHERE letter_id <= :letter_id"
DELETE_LETTERS_BEFORE: Final = "DELETE FROM dead_letters WHERE kept_us < :before_us"
DELETE_DEAD_LETTER: Final = "DELETE FROM dead_letters WHERE letter_id = :letter_id"

_ALERT_COLUMNS: Final = """a.alert_id, a.rule_id, a.rule_name, a.priority, a.message,
    a.captured_at, a.created_at, a.suppressed_count, a.late_seconds, a.event"""

WAITING: Final = f"""
SELECT d.delivery_id, d.channel, d.target_id, d.tries, d.waiting_since_us, d.reason, d.detail,
    {_ALERT_COLUMNS}
FROM deliveries d JOIN alerts a ON a.alert_id = d.alert_id
WHERE d.state = 'waiting' AND d.target_id = :target_id
ORDER BY d.priority_rank, d.delivery_id LIMIT :limit
"""
WAITING_IDS: Final = """
SELECT delivery_id FROM deliveries
WHERE state = 'waiting' AND target_id = :target_id
    AND (:before_us < 0 OR waiting_since_us < :before_us)
ORDER BY priority_rank, delivery_id LIMIT :limit
"""
BACKLOGS: Final = """
SELECT target_id, MAX(channel), COUNT(*) FROM deliveries
WHERE state = 'waiting' GROUP BY target_id ORDER BY target_id
"""
MARK_SENT: Final = """
UPDATE deliveries SET state = 'sent', tries = tries + 1, reason = '', detail = '',
    changed_us = :now_us
WHERE delivery_id = :delivery_id
"""
RECORD_TRY: Final = """
UPDATE deliveries SET tries = tries + 1, reason = :reason, detail = :detail, changed_us = :now_us
WHERE delivery_id = :delivery_id
"""
MARK_DEAD: Final = """
UPDATE deliveries SET state = 'dead', tries = tries + :tries, reason = :reason,
    detail = :detail, changed_us = :now_us
WHERE delivery_id = :delivery_id AND state = 'waiting'
"""
MOVE_WAITING: Final = """
UPDATE deliveries SET waiting_since_us = waiting_since_us + :ahead_us
WHERE state = 'waiting' AND waiting_since_us <= :before_us
"""
BRING_BACK_WAITING: Final = """
UPDATE deliveries SET waiting_since_us = CASE
    WHEN waiting_since_us < :before_us THEN waiting_since_us + :ahead_us ELSE :now_us END
WHERE state = 'waiting' AND waiting_since_us > :now_us
"""
HAND_OVER: Final = """
INSERT INTO deliveries (
    alert_id, channel, target_id, state, priority_rank, tries, reason, detail,
    waiting_since_us, changed_us
)
SELECT alert_id, channel, :successor_id, 'waiting', priority_rank, 0, '', '', waiting_since_us,
    :now_us
FROM deliveries AS given WHERE delivery_id = :delivery_id AND state = 'waiting' AND NOT EXISTS (
    SELECT 1 FROM deliveries AS other WHERE other.alert_id = given.alert_id
    AND other.target_id IN (SELECT value FROM json_each(:same))
)
ON CONFLICT (alert_id, target_id) DO NOTHING
"""
DELETE_WAITING: Final = """
DELETE FROM deliveries WHERE delivery_id = :delivery_id AND state = 'waiting'
"""
HOLD: Final = """
INSERT INTO holds (target_id, channel, reason, detail, since_us)
VALUES (:target_id, :channel, :reason, :detail, :since_us)
ON CONFLICT (target_id) DO UPDATE SET reason = excluded.reason, detail = excluded.detail
"""
RELEASE: Final = "DELETE FROM holds WHERE target_id = :target_id"
HOLDS: Final = "SELECT target_id, channel, reason, detail, since_us FROM holds ORDER BY target_id"

_STORED_COLUMNS: Final = f"""{_ALERT_COLUMNS}, a.time_us, a.stored_us, a.is_expired, a.topic,
    a.partition_id, a.record_offset"""

# An empty text or a negative number means that there is no such restriction.
ALERTS: Final = f"""
SELECT {_STORED_COLUMNS} FROM alerts a
WHERE a.stored_us >= :since_us
    AND (:rule_id = '' OR a.rule_id = :rule_id)
    AND ((:channel = '' AND :state = '') OR EXISTS (
        SELECT 1 FROM deliveries d WHERE d.alert_id = a.alert_id
            AND (:channel = '' OR d.channel = :channel) AND (:state = '' OR d.state = :state)))
ORDER BY a.stored_us DESC, a.alert_id LIMIT :limit
"""
ALERTS_FROM: Final = f"""
SELECT {_STORED_COLUMNS} FROM alerts a
WHERE a.alert_id >= :beginning AND a.alert_id < :end ORDER BY a.alert_id LIMIT 2
"""
# A delivery that waits for a held target shows the reason of the hold, not that of its last try.
DELIVERIES: Final = """
SELECT d.delivery_id, d.channel, d.target_id, d.state, d.tries, COALESCE(h.reason, d.reason),
    COALESCE(h.detail, d.detail), d.waiting_since_us, d.changed_us
FROM deliveries d LEFT JOIN holds h ON h.target_id = d.target_id AND d.state = 'waiting'
WHERE d.alert_id = :alert_id ORDER BY d.delivery_id
"""

REOPEN_ALERT: Final = """
UPDATE deliveries SET state = 'waiting', tries = 0, waiting_since_us = :now_us, changed_us = :now_us
WHERE alert_id = :alert_id AND (:channel = '' OR channel = :channel)
    AND state = 'dead' AND changed_us >= :since_us
"""
# It gets a new id: a receiver that remembers the old id would drop the delivery as a repetition.
REPEAT_SENT: Final = """
INSERT OR REPLACE INTO deliveries (
    alert_id, channel, target_id, state, priority_rank, tries, reason, detail,
    waiting_since_us, changed_us
)
SELECT alert_id, channel, target_id, 'waiting', priority_rank, 0, '', '', :now_us, :now_us
FROM deliveries
WHERE alert_id = :alert_id AND (:channel = '' OR channel = :channel)
    AND state = 'sent' AND changed_us >= :since_us
ORDER BY delivery_id
"""
REOPEN_DEAD: Final = """
UPDATE deliveries SET state = 'waiting', tries = 0, waiting_since_us = :now_us, changed_us = :now_us
WHERE delivery_id IN (
    SELECT delivery_id FROM deliveries
    WHERE state = 'dead' AND (:channel = '' OR channel = :channel) AND changed_us >= :since_us
    LIMIT :limit)
"""
RELEASE_ALERT: Final = """
DELETE FROM holds WHERE (:channel = '' OR channel = :channel)
    AND target_id IN (SELECT target_id FROM deliveries WHERE alert_id = :alert_id)
"""
RELEASE_CHANNEL: Final = "DELETE FROM holds WHERE :channel = '' OR channel = :channel"
COUNT_REDELIVERY: Final = "UPDATE meta SET value = value + 1 WHERE name = 'redeliveries'"

OLD_ALERTS: Final = """
SELECT a.alert_id FROM alerts a
WHERE a.stored_us < :horizon_us AND a.time_us < :horizon_us AND NOT EXISTS (
    SELECT 1 FROM deliveries d WHERE d.alert_id = a.alert_id AND d.state = 'waiting')
ORDER BY a.stored_us LIMIT :limit
"""
HAS_WAITING: Final = "SELECT 1 FROM deliveries WHERE alert_id = :alert_id AND state = 'waiting'"
HAS_OLD_SUPPRESSED: Final = "SELECT 1 FROM suppressed WHERE changed_us < :horizon_us LIMIT 1"
DELETE_DELIVERIES: Final = "DELETE FROM deliveries WHERE alert_id = :alert_id"
DELETE_ALERT: Final = "DELETE FROM alerts WHERE alert_id = :alert_id"
DELETE_OLD_SUPPRESSED: Final = """
DELETE FROM suppressed WHERE dedup_key IN (
    SELECT dedup_key FROM suppressed WHERE changed_us < :horizon_us LIMIT :limit)
"""

TABLES: Final = ("alerts", "deliveries", "dead_letters", "holds", "suppressed")
COUNTS: Final = {table: f"SELECT COUNT(*) FROM {table}" for table in TABLES}
