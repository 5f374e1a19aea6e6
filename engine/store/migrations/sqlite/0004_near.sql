-- Alerts say which plate a reading is only like, and how much. The version before can use the store
-- beside it: its alerts have none.

ALTER TABLE alerts ADD COLUMN matched_plate TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN likeness REAL NOT NULL DEFAULT 1;
-- A near match is found by the plate that was meant, too.
CREATE INDEX alerts_by_matched_plate ON alerts (matched_plate, stored_us) WHERE matched_plate <> '';

UPDATE meta SET value = 4 WHERE name = 'schema_version';
