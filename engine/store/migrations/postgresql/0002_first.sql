-- The whole schema, as SQLite has it after its own scripts to version 2. Texts sort by their bytes,
-- as there. Times (*_us) are microseconds since the epoch.

CREATE TABLE meta (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE keys (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE events (
    digest BYTEA PRIMARY KEY,
    event BYTEA NOT NULL
);

CREATE TABLE alerts (
    alert_id TEXT COLLATE "C" PRIMARY KEY,
    digest BYTEA NOT NULL,
    rule_id TEXT COLLATE "C" NOT NULL,
    dedup_key TEXT COLLATE "C",
    key_id TEXT COLLATE "C",
    time_us BIGINT NOT NULL,
    stored_us BIGINT NOT NULL,
    is_expired BIGINT NOT NULL,
    rule_name TEXT COLLATE "C" NOT NULL,
    priority TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    captured_at TEXT COLLATE "C" NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    suppressed_count BIGINT NOT NULL,
    late_seconds DOUBLE PRECISION NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    partition_id BIGINT NOT NULL,
    record_offset BIGINT NOT NULL,
    UNIQUE (digest, rule_id)
);

-- Ids are never used again: a receiver may remember them. The free room in its pages takes changes of
-- a row without new entries in the indexes.
CREATE TABLE deliveries (
    delivery_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id TEXT COLLATE "C" NOT NULL REFERENCES alerts (alert_id),
    channel TEXT COLLATE "C" NOT NULL,
    target_id TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    priority_rank BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    failures BIGINT NOT NULL DEFAULT 0,
    failed_us BIGINT NOT NULL DEFAULT 0,
    next_try_us BIGINT NOT NULL DEFAULT 0,
    claimed_by TEXT COLLATE "C" NOT NULL DEFAULT '',
    claimed_until_us BIGINT NOT NULL DEFAULT 0,
    claim_no BIGINT NOT NULL DEFAULT 0,
    reason TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    waiting_since_us BIGINT NOT NULL,
    changed_us BIGINT NOT NULL,
    UNIQUE (alert_id, target_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE targets (
    target_id TEXT COLLATE "C" PRIMARY KEY,
    channel TEXT COLLATE "C" NOT NULL,
    concurrency BIGINT NOT NULL,
    held_since_us BIGINT NOT NULL DEFAULT 0,
    reason TEXT COLLATE "C" NOT NULL DEFAULT '',
    detail TEXT COLLATE "C" NOT NULL DEFAULT '',
    probes BIGINT NOT NULL DEFAULT 0,
    probe_at_us BIGINT NOT NULL DEFAULT 0,
    probe_rank BIGINT NOT NULL DEFAULT -1,
    probe_id BIGINT NOT NULL DEFAULT 0,
    is_changed BIGINT NOT NULL DEFAULT 0,
    not_before_us BIGINT NOT NULL DEFAULT 0,
    paused_us BIGINT NOT NULL DEFAULT 0,
    taken_us BIGINT NOT NULL DEFAULT 0,
    failing BIGINT NOT NULL DEFAULT 0,
    refused TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    backlog_id BIGINT NOT NULL DEFAULT 0,
    registered_us BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE suppressed (
    key_id TEXT COLLATE "C" PRIMARY KEY,
    suppressed_count BIGINT NOT NULL,
    changed_us BIGINT NOT NULL
);

CREATE TABLE dead_letters (
    letter_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic TEXT COLLATE "C" NOT NULL,
    partition_id BIGINT NOT NULL,
    record_offset BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    record_key BYTEA,
    record_value BYTEA,
    headers TEXT COLLATE "C" NOT NULL,
    error_type TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    stack_trace TEXT COLLATE "C",
    retry_count BIGINT NOT NULL,
    kept_us BIGINT NOT NULL,
    UNIQUE (topic, partition_id, record_offset, digest)
);

CREATE TABLE instances (
    instance_id TEXT COLLATE "C" PRIMARY KEY,
    host TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    rules_digest TEXT COLLATE "C" NOT NULL,
    started_us BIGINT NOT NULL,
    seen_us BIGINT NOT NULL,
    partitions TEXT COLLATE "C" NOT NULL,
    lag BIGINT NOT NULL
);

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

INSERT INTO meta (name, value)
VALUES ('schema_version', 2), ('usable_from', 2), ('redeliveries', 0), ('probe', 0);
