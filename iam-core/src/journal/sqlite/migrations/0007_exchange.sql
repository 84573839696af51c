-- Messages: which records were seen, dead letters of inputs, and how far receivers of outcomes have been told.

CREATE TABLE receipt (
    tenant INTEGER NOT NULL REFERENCES meta,
    id     TEXT    NOT NULL,                  -- of the record's event
    person TEXT,                              -- NULL: erased
    digest TEXT,                              -- of the record
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_person ON receipt (tenant, person) WHERE person IS NOT NULL;

CREATE TABLE newest (
    tenant INTEGER NOT NULL REFERENCES meta,
    source TEXT    NOT NULL,
    person TEXT    NOT NULL,
    at     INTEGER NOT NULL,                  -- of the newest record that the source sent of the person
    PRIMARY KEY (tenant, source, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE letter (
    id          INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL REFERENCES meta,
    source      TEXT    NOT NULL,
    message_id  TEXT    NOT NULL,
    digest      TEXT    NOT NULL,             -- of the content
    message     TEXT    NOT NULL,             -- Message, without the content
    data        BLOB,                         -- NULL: destroyed with the decision
    person      TEXT,
    reason      TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    state       INTEGER NOT NULL DEFAULT 0,   -- 0 open, 1 accepted, 2 discarded
    decision    TEXT,                         -- who and why
    UNIQUE (tenant, source, message_id, digest)
) STRICT;
CREATE INDEX letter_open   ON letter (tenant, id)     WHERE state = 0;
CREATE INDEX letter_person ON letter (tenant, person) WHERE person IS NOT NULL;

CREATE TABLE bookmark (
    tenant  INTEGER NOT NULL REFERENCES meta,
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    value   TEXT    NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
