-- What several workers have to agree on: what was asked of the guard; and since when somebody waits.

ALTER TABLE event ADD COLUMN set_aside_at INTEGER;   -- by the machine's clock; NULL: it was not, or before this column

CREATE TABLE ask (
    tenant       INTEGER NOT NULL REFERENCES meta,
    event        INTEGER NOT NULL REFERENCES event (seq),
    person       TEXT    NOT NULL,
    ordinal      INTEGER NOT NULL,                   -- order of asking
    version      INTEGER NOT NULL,                   -- questions about the event so far
    leave        INTEGER NOT NULL,
    urgent       INTEGER NOT NULL,
    organisation TEXT,
    plan         TEXT    NOT NULL,
    asked_at     INTEGER NOT NULL,
    standing     TEXT    NOT NULL,                   -- JSON
    answered_at  INTEGER,
    PRIMARY KEY (tenant, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX ask_person ON ask (tenant, person);

-- What a service allows, and all workers spend from: see Bucket.
CREATE TABLE budget (
    tenant        INTEGER NOT NULL REFERENCES meta,
    target        TEXT    NOT NULL,
    level         REAL    NOT NULL,
    filled_at     INTEGER NOT NULL,
    share         REAL    NOT NULL,
    blocked_until INTEGER,
    PRIMARY KEY (tenant, target)
) STRICT, WITHOUT ROWID;
