-- One file holds one tenant's journal; the tenant stands in every key all the same, so that the tables are
-- those of a server shared by many. Instants are nanoseconds since 1970, clamped to the years 1677 to 2262.
-- Values of the domain (events, records, states, plans, outcomes) are JSON text.

CREATE TABLE meta (
    tenant    INTEGER PRIMARY KEY CHECK (tenant = 1),
    tenant_id TEXT    NOT NULL,
    epoch     TEXT    NOT NULL,               -- made with the file: a copy that went its own way is recognised
    schema    INTEGER NOT NULL
) STRICT;

CREATE TABLE lane (
    tenant   INTEGER NOT NULL REFERENCES meta,
    person   TEXT    NOT NULL,
    last_seq INTEGER NOT NULL DEFAULT 0,      -- lane_seq of the newest event
    fence    INTEGER NOT NULL DEFAULT 0,      -- number of claims
    PRIMARY KEY (tenant, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE person (
    tenant    INTEGER NOT NULL REFERENCES meta,
    person    TEXT    NOT NULL,
    version   INTEGER NOT NULL DEFAULT 0,     -- of record
    record    TEXT,                           -- the latest accepted one
    state     TEXT,                           -- PersonState
    manager   TEXT,                           -- of the state's record
    waits     INTEGER NOT NULL DEFAULT 0,     -- 1: waits for the manager's account
    PRIMARY KEY (tenant, person)
) STRICT;
CREATE INDEX person_manager ON person (tenant, manager, person, waits) WHERE manager IS NOT NULL;

CREATE TABLE event (
    seq        INTEGER PRIMARY KEY,           -- order of appending
    tenant     INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    person     TEXT    NOT NULL,
    lane_seq   INTEGER NOT NULL,
    leave      INTEGER NOT NULL,              -- 1: takes access away, overtakes the lane
    timer      INTEGER NOT NULL,              -- 1: replaced when the lane's head ends (all timers but rechecks)
    due_at     INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    state      INTEGER NOT NULL DEFAULT 0,    -- 0 pending, 1 done, 2 dead, 3 superseded
    parked     INTEGER NOT NULL DEFAULT 0,
    attempts   INTEGER NOT NULL DEFAULT 0,
    why        TEXT,
    event      TEXT    NOT NULL,
    plan       TEXT,
    UNIQUE (tenant, id),
    UNIQUE (tenant, person, lane_seq),
    FOREIGN KEY (tenant, person) REFERENCES lane (tenant, person)
) STRICT;
-- What is over leaves these indexes.
CREATE INDEX event_lane       ON event (tenant, person, due_at, lane_seq) WHERE state = 0;
CREATE INDEX event_due        ON event (tenant, due_at, seq, not_before)  WHERE state = 0;
CREATE INDEX event_ready      ON event (tenant, max(due_at, not_before))  WHERE state = 0;
CREATE INDEX event_leave_lane ON event (tenant, person, due_at, lane_seq) WHERE state = 0 AND leave = 1;
CREATE INDEX event_leave_due  ON event (tenant, due_at, seq, not_before)  WHERE state = 0 AND leave = 1;
CREATE INDEX event_parked     ON event (tenant, person)                   WHERE parked = 1;
CREATE INDEX event_dead       ON event (tenant, seq)                      WHERE state = 2;

CREATE TABLE step (
    tenant  INTEGER NOT NULL REFERENCES meta,
    event   INTEGER NOT NULL REFERENCES event (seq),
    step    TEXT    NOT NULL,
    ordinal INTEGER NOT NULL,                 -- order of first intention
    key     TEXT    NOT NULL,
    outcome TEXT,                             -- NULL: unknown
    PRIMARY KEY (tenant, event, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE name (
    tenant INTEGER NOT NULL REFERENCES meta,
    name   TEXT    NOT NULL,                  -- in lower case
    person TEXT    NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
