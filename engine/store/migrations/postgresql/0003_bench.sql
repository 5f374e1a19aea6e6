-- Alerts say which car and camera they are of, which rules made them and what silenced them;
-- silences, and the rule sets that were in force. The version before can use the store beside it.

ALTER TABLE alerts ADD COLUMN plate TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN camera_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN rules_digest TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN silenced_by TEXT COLLATE "C" NOT NULL DEFAULT '';

UPDATE alerts a SET plate = found.plate, camera_id = found.camera_id FROM (
    SELECT digest, COALESCE(left(event #>> '{plate,normalized_text}', 100), '') AS plate,
        COALESCE(left(event ->> 'camera_id', 100), '') AS camera_id
    -- A text with a zero character can't be read; there is none in a plate.
    FROM (SELECT digest, replace(convert_from(event, 'UTF8'), '\u0000', '')::json AS event
        FROM events) AS texts) AS found
WHERE found.digest = a.digest;

-- What people ask about one car, or one camera.
CREATE INDEX alerts_by_plate ON alerts (plate, stored_us);
CREATE INDEX alerts_by_camera ON alerts (camera_id, stored_us);
-- Which rule sets alerts still refer to.
CREATE INDEX alerts_by_rules ON alerts (rules_digest);

CREATE TABLE silences (
    silence_id TEXT COLLATE "C" PRIMARY KEY,
    rule_id TEXT COLLATE "C" NOT NULL,
    plate TEXT COLLATE "C" NOT NULL,
    camera_id TEXT COLLATE "C" NOT NULL,
    condition TEXT COLLATE "C" NOT NULL,
    starts_us BIGINT NOT NULL,
    ends_us BIGINT NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    comment TEXT COLLATE "C" NOT NULL,
    changed_us BIGINT NOT NULL
);

CREATE INDEX silences_by_end ON silences (ends_us);

-- A file is kept once for all rule sets that have it.
CREATE TABLE rule_files (
    digest TEXT COLLATE "C" PRIMARY KEY,
    content BYTEA NOT NULL
);

CREATE TABLE rule_sets (
    digest TEXT COLLATE "C" PRIMARY KEY,
    files TEXT COLLATE "C" NOT NULL
);

CREATE TABLE rule_set_uses (
    use_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest TEXT COLLATE "C" NOT NULL,
    instance_id TEXT COLLATE "C" NOT NULL,
    from_us BIGINT NOT NULL,
    -- 0 while it is in use.
    until_us BIGINT NOT NULL
);

CREATE INDEX rule_set_uses_by_time ON rule_set_uses (from_us);

UPDATE meta SET value = 3 WHERE name = 'schema_version';
