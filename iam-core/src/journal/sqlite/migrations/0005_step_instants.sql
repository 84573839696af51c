-- When a step ended: what an auditor asks first of what somebody lost.

ALTER TABLE step ADD COLUMN settled_at INTEGER;    -- NULL: the outcome is unknown, or older than this column
