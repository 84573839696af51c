-- What whoever watches looks for: what was told, by the day, what of it is not over, what is, and the timers that come up.
-- Nothing in these indexes changes between an event's beginning and its end.
CREATE INDEX event_told   ON event (tenant, due_at)      WHERE NOT timer;
CREATE INDEX event_open   ON event (tenant, seq)         WHERE state = 0 AND NOT timer;
CREATE INDEX event_over   ON event (tenant, seq)         WHERE state IN (1, 3);
CREATE INDEX event_coming ON event (tenant, due_at, seq) WHERE state = 0 AND timer;
