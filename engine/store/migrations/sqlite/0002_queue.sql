-- The deliveries are the queue, with due times and claims; targets are rows; each event is stored
-- once. `key_id(text)` and `new_key()` are functions of ours.

CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

INSERT INTO keys (name, value) VALUES ('targets', new_key());

CREATE TABLE events (
    digest BLOB PRIMARY KEY,
    event BLOB NOT NULL
);

INSERT INTO events (digest, event) SELECT digest, event FROM alerts WHERE true
ON CONFLICT (digest) DO NOTHING;

-- A copy in place of ALTERs: it is written once, and leaves no column in an odd place.
ALTER TABLE alerts RENAME TO former_alerts;

CREATE TABLE alerts (
    alert_id TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    rule_id TEXT NOT NULL,
    dedup_key TEXT,
    key_id TEXT,
    time_us INTEGER NOT NULL,
    stored_us INTEGER NOT NULL,
    is_expired INTEGER NOT NULL,
    rule_name TEXT NOT NULL,
    priority TEXT NOT NULL,
    message TEXT NOT NULL,
    captured_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    suppressed_count INTEGER NOT NULL,
    late_seconds REAL NOT NULL,
    topic TEXT NOT NULL,
    partition_id INTEGER NOT NULL,
    record_offset INTEGER NOT NULL,
    UNIQUE (digest, rule_id)
);

INSERT INTO alerts
SELECT alert_id, digest, rule_id, dedup_key,
    CASE WHEN dedup_key IS NOT NULL THEN key_id(dedup_key) END,
    time_us, stored_us, is_expired, rule_name, priority, message, captured_at, created_at,
    suppressed_count, late_seconds, topic, partition_id, record_offset
FROM former_alerts ORDER BY rowid;

-- Ids are never used again: a receiver may remember them.
ALTER TABLE deliveries RENAME TO former_deliveries;

CREATE TABLE deliveries (
    delivery_id INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id TEXT NOT NULL REFERENCES alerts (alert_id),
    channel TEXT NOT NULL,
    target_id TEXT NOT NULL,
    state TEXT NOT NULL,
    priority_rank INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    failed_us INTEGER NOT NULL DEFAULT 0,
    next_try_us INTEGER NOT NULL DEFAULT 0,
    claimed_by TEXT NOT NULL DEFAULT '',
    claimed_until_us INTEGER NOT NULL DEFAULT 0,
    claim_no INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    waiting_since_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL,
    UNIQUE (alert_id, target_id)
);

INSERT INTO deliveries (
    delivery_id, alert_id, channel, target_id, state, priority_rank, tries, reason, detail,
    waiting_since_us, changed_us
)
SELECT delivery_id, alert_id, channel, target_id, state, priority_rank, tries, reason, detail,
    waiting_since_us, changed_us
FROM former_deliveries ORDER BY delivery_id;

-- The highest id that was ever given, which a deleted delivery may have had.
UPDATE sqlite_sequence
SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'former_deliveries')
WHERE name = 'deliveries';

INSERT INTO sqlite_sequence (name, seq)
SELECT 'deliveries', seq FROM sqlite_sequence
WHERE name = 'former_deliveries'
    AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'deliveries');

CREATE TABLE targets (
    target_id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    concurrency INTEGER NOT NULL,
    held_since_us INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT '',
    probes INTEGER NOT NULL DEFAULT 0,
    probe_at_us INTEGER NOT NULL DEFAULT 0,
    probe_rank INTEGER NOT NULL DEFAULT -1,
    probe_id INTEGER NOT NULL DEFAULT 0,
    is_changed INTEGER NOT NULL DEFAULT 0,
    not_before_us INTEGER NOT NULL DEFAULT 0,
    paused_us INTEGER NOT NULL DEFAULT 0,
    taken_us INTEGER NOT NULL DEFAULT 0,
    failing INTEGER NOT NULL DEFAULT 0,
    refused TEXT NOT NULL DEFAULT '[]',
    backlog_id INTEGER NOT NULL DEFAULT 0,
    registered_us INTEGER NOT NULL DEFAULT 0
);

INSERT INTO targets (target_id, channel, concurrency, held_since_us, reason, detail)
SELECT target_id, channel, 1, since_us, reason, detail FROM holds;

ALTER TABLE suppressed RENAME TO former_suppressed;

CREATE TABLE suppressed (
    key_id TEXT PRIMARY KEY,
    suppressed_count INTEGER NOT NULL,
    changed_us INTEGER NOT NULL
);

INSERT INTO suppressed
SELECT key_id(dedup_key), suppressed_count, changed_us FROM former_suppressed;

CREATE TABLE instances (
    instance_id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    version TEXT NOT NULL,
    rules_digest TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    seen_us INTEGER NOT NULL,
    partitions TEXT NOT NULL,
    lag INTEGER NOT NULL
);

-- Ids of targets are others than before; the engine, which knows both, renames them once.
INSERT INTO meta (name, value)
SELECT 'former_ids', 1 WHERE EXISTS (SELECT 1 FROM deliveries) OR EXISTS (SELECT 1 FROM holds);

DROP TABLE former_deliveries;
DROP TABLE former_alerts;
DROP TABLE former_suppressed;
DROP TABLE holds;

-- What a cooldown asks for.
CREATE INDEX alerts_by_key ON alerts (key_id, time_us) WHERE key_id IS NOT NULL;

-- What people list and retention removes.
CREATE INDEX alerts_by_age ON alerts (stored_us);

-- What is sent next; without the sent ones these indexes stay small.
CREATE INDEX deliveries_waiting ON deliveries (target_id, priority_rank, delivery_id)
    WHERE state = 'waiting';
CREATE INDEX deliveries_later ON deliveries (next_try_us)
    WHERE state = 'waiting' AND next_try_us > 0;
CREATE INDEX deliveries_claimed ON deliveries (target_id)
    WHERE state = 'waiting' AND claimed_until_us > 0;
CREATE INDEX deliveries_failed ON deliveries (target_id)
    WHERE state = 'waiting' AND failures > 0;

-- What a redelivery opens again.
CREATE INDEX deliveries_dead ON deliveries (changed_us) WHERE state = 'dead';

CREATE INDEX targets_held ON targets (held_since_us) WHERE held_since_us > 0;

CREATE INDEX suppressed_by_age ON suppressed (changed_us);

INSERT INTO meta (name, value) VALUES ('usable_from', 2);
UPDATE meta SET value = 2 WHERE name = 'schema_version';
