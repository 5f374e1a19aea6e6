-- Alerts say which plate a reading is only like, and how much. The version before can use the store
-- beside it: its alerts have none.

ALTER TABLE alerts ADD COLUMN matched_plate TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN likeness REAL NOT NULL DEFAULT 1;

UPDATE meta SET value = 4 WHERE name = 'schema_version';
