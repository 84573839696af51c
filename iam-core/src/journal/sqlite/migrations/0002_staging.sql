-- What sources tell as events, urgent leaves, who somebody was before; deliveries and source health; quarantine.

ALTER TABLE person ADD COLUMN news TEXT;                          -- of Accepted: JSON array, NULL: none
ALTER TABLE person ADD COLUMN previous TEXT;                      -- the worker id that the person had before
CREATE INDEX person_previous ON person (tenant, previous) WHERE previous IS NOT NULL;

ALTER TABLE event ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;   -- 1: overtakes other leaves
CREATE INDEX event_urgent_due ON event (tenant, due_at, seq, not_before) WHERE state = 0 AND urgent = 1;

CREATE TABLE delivery (
    id        INTEGER PRIMARY KEY,
    tenant    INTEGER NOT NULL REFERENCES meta,
    source    TEXT    NOT NULL,
    opened_at INTEGER NOT NULL,
    state     INTEGER NOT NULL DEFAULT 0,                         -- 0 open, 1 held, 2 releasing, 3 released, 4 discarded
    last_row  INTEGER NOT NULL DEFAULT 0,                         -- number of the newest row that was staged
    totals    TEXT    NOT NULL DEFAULT 'null',
    findings  TEXT    NOT NULL DEFAULT '[]',
    decision  TEXT                                                -- who and why
) STRICT;
CREATE INDEX delivery_source ON delivery (tenant, source, id);
CREATE INDEX delivery_staged ON delivery (tenant, id) WHERE state < 3;

CREATE TABLE staged (
    tenant   INTEGER NOT NULL,
    delivery INTEGER NOT NULL REFERENCES delivery (id),
    row      INTEGER NOT NULL,
    person   TEXT    NOT NULL,
    content  TEXT    NOT NULL,
    PRIMARY KEY (tenant, delivery, row)
) STRICT, WITHOUT ROWID;

CREATE TABLE source (
    tenant INTEGER NOT NULL REFERENCES meta,
    source TEXT    NOT NULL,
    totals TEXT    NOT NULL,                                      -- of the last good delivery
    PRIMARY KEY (tenant, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    seq     INTEGER PRIMARY KEY,
    tenant  INTEGER NOT NULL REFERENCES meta,
    id      TEXT    NOT NULL,
    event   TEXT    NOT NULL
) STRICT;
CREATE INDEX quarantine_id ON quarantine (tenant, id);
