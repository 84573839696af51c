CREATE TABLE IF NOT EXISTS scim_resource (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL,
    display TEXT    NOT NULL,
    body    TEXT    NOT NULL,
    UNIQUE (kind, id)
);
CREATE TABLE IF NOT EXISTS scim_key (
    seq    INTEGER NOT NULL REFERENCES scim_resource (seq) ON DELETE CASCADE,
    kind   TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    value  TEXT    NOT NULL,
    single INTEGER NOT NULL,
    PRIMARY KEY (kind, name, value, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS scim_key_single ON scim_key (kind, name, value) WHERE single = 1;
CREATE INDEX IF NOT EXISTS scim_key_seq ON scim_key (seq);
