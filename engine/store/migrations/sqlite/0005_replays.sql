-- Which dead letters were replayed: each is once, unless somebody asks for it again. The version
-- before can use the store beside it.

CREATE TABLE replayed_letters (
    letter_id TEXT PRIMARY KEY,
    replayed_us INTEGER NOT NULL
);

UPDATE meta SET value = 5 WHERE name = 'schema_version';
