-- What whoever watches looks for: what was told, by the day, and what of it is not over. Nothing in these indexes changes
-- between an event's beginning and its end.

CREATE INDEX event_told       ON event (tenant, due_at) WHERE timer = 0;
CREATE INDEX event_open       ON event (tenant, seq)    WHERE state = 0 AND timer = 0;
CREATE INDEX event_superseded ON event (tenant, seq)    WHERE state = 3;
