-- The tables in SQLite's words: elsewhere BLOB is BYTEA, INTEGER is BIGINT, and
-- AUTOINCREMENT is GENERATED ALWAYS AS IDENTITY. Times (*_us) are microseconds since the epoch.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);

CREATE TABLE alerts (
    alert_id TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    rule_id TEXT NOT NULL,
    dedup_key TEXT,
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
    event BLOB NOT NULL,
    topic TEXT NOT NULL,
    partition_id INTEGER NOT NULL,
    record_offset INTEGER NOT NULL,
    UNIQUE (digest, rule_id)
);

-- What a cooldown asks for.
CREATE INDEX alerts_by_key ON alerts (dedup_key, time_us) WHERE dedup_key IS NOT NULL;

-- What people list and retention removes.
CREATE INDEX alerts_by_age ON alerts (stored_us);

-- Ids are never used again: a receiver may remember them.
CREATE TABLE deliveries (
    delivery_id INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id TEXT NOT NULL REFERENCES alerts (alert_id),
    channel TEXT NOT NULL,
    target_id TEXT NOT NULL,
    state TEXT NOT NULL,
    priority_rank INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    waiting_since_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL,
    UNIQUE (alert_id, target_id)
);

-- What a worker takes next; without the sent ones it stays small.
CREATE INDEX deliveries_waiting ON deliveries (target_id, priority_rank, delivery_id)
    WHERE state = 'waiting';

-- What a redelivery opens again.
CREATE INDEX deliveries_dead ON deliveries (changed_us) WHERE state = 'dead';

CREATE TABLE holds (
    target_id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    since_us INTEGER NOT NULL
);

CREATE TABLE suppressed (
    dedup_key TEXT PRIMARY KEY,
    suppressed_count INTEGER NOT NULL,
    changed_us INTEGER NOT NULL
);

CREATE INDEX suppressed_by_age ON suppressed (changed_us);

CREATE TABLE dead_letters (
    letter_id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    partition_id INTEGER NOT NULL,
    record_offset INTEGER NOT NULL,
    digest BLOB NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    record_key BLOB,
    record_value BLOB,
    headers TEXT NOT NULL,
    error_type TEXT NOT NULL,
    message TEXT NOT NULL,
    stack_trace TEXT,
    retry_count INTEGER NOT NULL,
    kept_us INTEGER NOT NULL,
    UNIQUE (topic, partition_id, record_offset, digest)
);

INSERT INTO meta (name, value) VALUES ('schema_version', 1), ('redeliveries', 0), ('probe', 0);
