-- Who stands under which name in the audit; erasing somebody deletes the salt.
CREATE TABLE pseudonym (
    tenant INTEGER NOT NULL REFERENCES meta,
    person TEXT    NOT NULL,
    salt   TEXT    NOT NULL,
    PRIMARY KEY (tenant, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    tenant   INTEGER NOT NULL REFERENCES meta,
    at       INTEGER NOT NULL,
    deed     TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    event    TEXT,
    subject  TEXT    NOT NULL,
    actor    TEXT,
    digest   TEXT    NOT NULL,
    previous TEXT    NOT NULL,
    hash     TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (tenant, subject, sequence);

-- The end of the chain, for what is cut off.
CREATE TABLE audit_head (
    tenant   INTEGER PRIMARY KEY REFERENCES meta,
    sequence INTEGER NOT NULL,
    hash     TEXT    NOT NULL
) STRICT;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
