-- Which cameras are watched, when each was seen, and for how long the stream was watched. The version
-- before can use the store beside it: it notes no readings, so no camera is judged until it has gone.

CREATE TABLE cameras (
    camera_id TEXT COLLATE "C" PRIMARY KEY,
    known_us BIGINT NOT NULL,
    -- 0 until its first reading.
    seen_us BIGINT NOT NULL,
    -- `camera_watch.watched_us` as its last reading was noted.
    watched_us BIGINT NOT NULL,
    -- Whether it was seen since it was last reported.
    is_seen BIGINT NOT NULL,
    -- When it was reported as silent, and since when it is; 0 while it is not.
    silent_us BIGINT NOT NULL,
    since_us BIGINT NOT NULL
);

CREATE TABLE camera_watch (
    name TEXT COLLATE "C" PRIMARY KEY,
    -- For so long the stream was read up to its end.
    watched_us BIGINT NOT NULL,
    -- The same when readings were lost last, since an engine was killed, and when that was.
    lost_us BIGINT NOT NULL,
    lost_at_us BIGINT NOT NULL,
    judge TEXT COLLATE "C" NOT NULL,
    judge_until_us BIGINT NOT NULL
);

INSERT INTO camera_watch (name, watched_us, lost_us, lost_at_us, judge, judge_until_us)
VALUES ('stream', 0, 0, 0, '', 0);

-- How often the engine has noted what it has seen.
ALTER TABLE instances ADD COLUMN camera_notes BIGINT NOT NULL DEFAULT 0;

UPDATE meta SET value = 7 WHERE name = 'schema_version';
