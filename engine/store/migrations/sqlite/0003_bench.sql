-- Alerts say which car and camera they are of, which rules made them and what silenced them;
-- silences, and the rule sets that were in force. The version before can use the store beside it.

ALTER TABLE alerts ADD COLUMN plate TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN camera_id TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN rules_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN silenced_by TEXT NOT NULL DEFAULT '';

UPDATE alerts SET
    plate = COALESCE((SELECT plate_of(e.event) FROM events e WHERE e.digest = alerts.digest), ''),
    camera_id = COALESCE((SELECT camera_of(e.event) FROM events e WHERE e.digest = alerts.digest), '');

-- What people ask about one car, or one camera.
CREATE INDEX alerts_by_plate ON alerts (plate, stored_us);
CREATE INDEX alerts_by_camera ON alerts (camera_id, stored_us);
-- Which rule sets alerts still refer to.
CREATE INDEX alerts_by_rules ON alerts (rules_digest);

CREATE TABLE silences (
    silence_id TEXT PRIMARY KEY,
    rule_id TEXT NOT NULL,
    plate TEXT NOT NULL,
    camera_id TEXT NOT NULL,
    condition TEXT NOT NULL,
    starts_us INTEGER NOT NULL,
    ends_us INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    comment TEXT NOT NULL,
    changed_us INTEGER NOT NULL
);

CREATE INDEX silences_by_end ON silences (ends_us);

-- A file is kept once for all rule sets that have it.
CREATE TABLE rule_files (
    digest TEXT PRIMARY KEY,
    content BLOB NOT NULL
);

CREATE TABLE rule_sets (
    digest TEXT PRIMARY KEY,
    files TEXT NOT NULL
);

CREATE TABLE rule_set_uses (
    use_id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    -- 0 while it is in use.
    until_us INTEGER NOT NULL
);

CREATE INDEX rule_set_uses_by_time ON rule_set_uses (from_us);

UPDATE meta SET value = 3 WHERE name = 'schema_version';
