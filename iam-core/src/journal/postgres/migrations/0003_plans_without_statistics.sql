-- As long as nobody has looked at a table, a plan takes a tenant for one of two hundred, and what an index finds of it for a
-- row or two. It is kept, and reads the whole tenant when that has grown. So no statement about a person or an event is to
-- have a choice: what it says is what one index is made of, letter by letter. How that is done: see work.rs.

-- An event by its id: `id = … AND tenant + 0 = …`. By its person: `tenant = … AND person = …`.
CREATE UNIQUE INDEX event_id     ON event (id, (tenant + 0));
CREATE UNIQUE INDEX event_person ON event (person, tenant, lane_seq);
ALTER TABLE event DROP CONSTRAINT event_tenant_id_key, DROP CONSTRAINT event_tenant_person_lane_seq_key;
DROP INDEX event_lane, event_leave_lane, event_leave_due, event_parked, event_pending;
CREATE INDEX event_lane       ON event (person, tenant, due_at, lane_seq)         WHERE state = 0;
CREATE INDEX event_leave_lane ON event (person, tenant, urgent, due_at, lane_seq) WHERE state = 0 AND leave;
CREATE INDEX event_parked     ON event (person, tenant)                           WHERE parked;
-- What is read of a whole tenant: what is due by whoever says `state + 0 = 0`, and pages of what is pending by whoever says
-- `state - 0 = 0`.
CREATE INDEX event_leave_due  ON event (tenant, urgent, due_at, seq)              WHERE state + 0 = 0 AND leave;
CREATE INDEX event_due        ON event (tenant, due_at)                           WHERE state + 0 = 0 AND NOT leave;
CREATE INDEX event_pending    ON event (tenant, seq)                              WHERE state - 0 = 0;

-- Several lanes at a time are found by `person = ANY (…)`, with which the index has to begin.
ALTER TABLE event DROP CONSTRAINT event_tenant_person_fkey;
ALTER TABLE lane DROP CONSTRAINT lane_pkey, ADD PRIMARY KEY (person, tenant);
ALTER TABLE event ADD FOREIGN KEY (tenant, person) REFERENCES lane (tenant, person);

-- By their person: `person = … AND tenant + 0 = …`.
DROP INDEX name_person, newest_person;
CREATE INDEX name_person   ON name   (person, (tenant + 0));
CREATE INDEX newest_person ON newest (person, (tenant + 0));
