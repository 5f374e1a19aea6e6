-- Several deliveries of a target may go as one message: a lead, which is claimed, sent and marked, and
-- its members, which share its end. `lead_id` is 0 for a lead and for one that goes by itself. The
-- version before can use the store beside it: a member's next try is never due there.

ALTER TABLE deliveries ADD COLUMN lead_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN group_key TEXT NOT NULL DEFAULT '';
-- The last claim that is marked: what was claimed since may have arrived.
ALTER TABLE deliveries ADD COLUMN settled_no INTEGER NOT NULL DEFAULT 0;
-- Whether the fallback has it too, or never gets it; and what a fallback says before the alert.
ALTER TABLE deliveries ADD COLUMN fell_back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN note TEXT NOT NULL DEFAULT '';

CREATE INDEX deliveries_members ON deliveries (lead_id) WHERE lead_id > 0;
CREATE INDEX deliveries_grouped ON deliveries (target_id, group_key)
    WHERE state = 'waiting' AND group_key <> '';

UPDATE meta SET value = 6 WHERE name = 'schema_version';
