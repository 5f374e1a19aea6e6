-- Alerts say which car and camera they are of, which rules made them and what silenced them;
-- silences, and the rule sets that were in force. The version before can use the store beside it.

ALTER TABLE alerts ADD COLUMN plate TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN camera_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN rules_digest TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN silenced_by TEXT COLLATE "C" NOT NULL DEFAULT '';

-- What engine/store/model.py does with a new alert. JSON's \u0000 can't be read here: U+FFFD takes its
-- place, unless its backslash is escaped. Letters that look like A to Z count as those. Each
-- `OFFSET 0` keeps what it ends from being worked out several times.
UPDATE alerts a SET
    plate = CASE WHEN normalised = '' THEN written ELSE normalised END,
    camera_id = camera
FROM (
    SELECT digest, written, camera, regexp_replace(
        upper(translate(translate(replace(normalize(written, NFC), 'ß', 'SS'),
            'АВЕКМНОРСТУХІЈЅԚԜҮӀΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿµͅαβεζηικμνορτυχϐϰϱϲϳϵавекмнорстухѕіјүӏԛԝᲀᲂᲃᲄᲅι',
            'ABEKMHOPCTYXIJSQWYIABEZHIKMNOPTYXCJMIABEZHIKMNOPTYXBKPCJEABEKMHOPCTYXSIJYIQWBOCTTI'),
            'ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ０１２３４５６７８９ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ',
            'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ') COLLATE "C"), '[^A-Z0-9]+', '', 'g') AS normalised
    FROM (
        SELECT digest,
            CASE json_typeof(plate) WHEN 'string' THEN left(plate #>> '{}', 100) ELSE '' END AS written,
            CASE json_typeof(camera) WHEN 'string' THEN left(camera #>> '{}', 100) ELSE '' END AS camera
        FROM (
            SELECT digest, event #> '{plate,normalized_text}' AS plate, event -> 'camera_id' AS camera
            FROM (
                SELECT digest, CASE WHEN strpos(text, '\u0000') = 0 THEN text ELSE
                    regexp_replace(text, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g') END::json AS event
                FROM (SELECT digest, convert_from(event, 'UTF8') AS text FROM events OFFSET 0) AS texts
                OFFSET 0) AS read
            OFFSET 0) AS parts
        OFFSET 0) AS searched
    OFFSET 0) AS found
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
