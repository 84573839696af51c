-- The ids of events that were moved to the archive, a file beside this one: none of them takes effect again.

CREATE TABLE archived (
    tenant INTEGER NOT NULL REFERENCES meta,
    id     TEXT    NOT NULL,
    person TEXT,                              -- NULL: erased
    digest TEXT,                              -- of what the event says; NULL: erased
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX archived_person ON archived (tenant, person) WHERE person IS NOT NULL;
