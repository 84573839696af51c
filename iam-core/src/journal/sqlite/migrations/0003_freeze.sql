-- Plans that the guard has refused. At most one is open: frozen, or released and not applied yet.
CREATE TABLE frozen (
    seq    INTEGER PRIMARY KEY,               -- order of freezing
    tenant INTEGER NOT NULL REFERENCES meta,
    open   INTEGER NOT NULL,
    plan   TEXT    NOT NULL                   -- Frozen
) STRICT;
CREATE UNIQUE INDEX frozen_open ON frozen (tenant) WHERE open = 1;
