-- One schema holds the journals of any number of tenants; the tenant's number stands in every key. Instants are
-- nanoseconds since 1970, clamped to the years 1677 to 2262, by the callers' clocks; leases are by this server's.
-- Values of the domain (events, records, states, plans, outcomes) are JSON text, kept to the letter: the audit holds
-- their hashes. Keys compare by their bytes, whatever the database's language.

CREATE TABLE tenant (
    tenant    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL,
    epoch     text NOT NULL DEFAULT gen_random_uuid()::text -- a copy that went its own way is recognised
);
CREATE UNIQUE INDEX tenant_id ON tenant (lower(tenant_id));

-- Everything that changes a person's events or state locks the lane first; several lanes in the order of their keys.
CREATE TABLE lane (
    tenant      bigint NOT NULL REFERENCES tenant,
    person      text   COLLATE "C" NOT NULL,
    last_seq    bigint NOT NULL DEFAULT 0,                  -- lane_seq of the newest event
    fence       bigint NOT NULL DEFAULT 0,                  -- number of claims
    holder      text,                                       -- which open journal has claimed it
    lease_until timestamptz,                                -- NULL: nobody holds it
    claimed_seq bigint,                                     -- for which event,
    claimed_at  bigint,                                     -- and since when, by the holder's clock
    -- What a claim looks at; brought up to date with every change of the lane's events.
    head_seq    bigint,                                     -- the first pending event, which is no leave,
    head_due    bigint,
    head_at     bigint,                                     -- and when it may be claimed; NULL: parked, or a leave waits
    leave_due   bigint,                                     -- when the first pending leave is due
    ready_at    bigint,                                     -- when a claim could succeed,
    ready_seq   bigint,                                     -- and for which event
    PRIMARY KEY (tenant, person)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
CREATE INDEX lane_head  ON lane (tenant, head_due, head_seq) WHERE head_at IS NOT NULL;
CREATE INDEX lane_ready ON lane (tenant, ready_at, ready_seq) WHERE ready_at IS NOT NULL;

CREATE TABLE person (
    tenant   bigint NOT NULL REFERENCES tenant,
    person   text   COLLATE "C" NOT NULL,
    version  bigint NOT NULL DEFAULT 0,                     -- of record
    record   text,                                          -- the latest accepted one
    news     text,                                          -- of Accepted: JSON array, NULL: none
    previous text   COLLATE "C",                            -- the worker id that the person had before
    state    text,                                          -- PersonState
    manager  text   COLLATE "C",                            -- of the state's record
    waits    boolean NOT NULL DEFAULT false,                -- for the manager's account
    PRIMARY KEY (tenant, person)
);
CREATE INDEX person_manager  ON person (tenant, manager, person)  WHERE manager IS NOT NULL;
CREATE INDEX person_previous ON person (tenant, previous, person) WHERE previous IS NOT NULL;

CREATE TABLE event (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- about the order of appending; within a lane, lane_seq is
    tenant     bigint   NOT NULL,
    id         text     COLLATE "C" NOT NULL,
    person     text     COLLATE "C" NOT NULL,
    lane_seq   bigint   NOT NULL,
    leave      boolean  NOT NULL,                           -- takes access away, overtakes the lane
    urgent     boolean  NOT NULL,                           -- overtakes other leaves
    timer      boolean  NOT NULL,                           -- replaced when the lane's head ends (all timers but rechecks)
    due_at     bigint   NOT NULL,
    not_before bigint   NOT NULL,
    state      bigint   NOT NULL DEFAULT 0,                 -- 0 pending, 1 done, 2 dead, 3 superseded
    parked     boolean  NOT NULL DEFAULT false,
    attempts   bigint   NOT NULL DEFAULT 0,
    why        text,
    event      text     NOT NULL,
    plan       text,
    set_aside_at bigint,                                    -- by the machine's clock
    UNIQUE (tenant, id),
    UNIQUE (tenant, person, lane_seq),
    FOREIGN KEY (tenant, person) REFERENCES lane
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- What is over leaves these indexes.
CREATE INDEX event_lane       ON event (tenant, person, due_at, lane_seq)         WHERE state = 0;
CREATE INDEX event_leave_lane ON event (tenant, person, urgent, due_at, lane_seq) WHERE state = 0 AND leave;
CREATE INDEX event_leave_due  ON event (tenant, urgent, due_at, seq)              WHERE state = 0 AND leave;
CREATE INDEX event_parked     ON event (tenant, person)                           WHERE parked;
CREATE INDEX event_dead       ON event (tenant, seq)                              WHERE state = 2;
CREATE INDEX event_pending    ON event (tenant, seq)                              WHERE state = 0;

CREATE TABLE step (
    tenant     bigint NOT NULL REFERENCES tenant,
    event      bigint NOT NULL REFERENCES event (seq),
    step       text   COLLATE "C" NOT NULL,
    ordinal    bigint NOT NULL,                             -- order of first intention
    key        text   NOT NULL,
    outcome    text,                                        -- NULL: unknown
    settled_at bigint,                                      -- NULL: the outcome is unknown
    PRIMARY KEY (event, step)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- What was asked of the guard about events that are pending.
CREATE TABLE ask (
    event        bigint  PRIMARY KEY REFERENCES event (seq),
    tenant       bigint  NOT NULL REFERENCES tenant,
    person       text    COLLATE "C" NOT NULL,
    ordinal      bigint  GENERATED ALWAYS AS IDENTITY,      -- order of asking
    version      bigint  NOT NULL,                          -- questions about the event so far
    leave        boolean NOT NULL,
    urgent       boolean NOT NULL,
    organisation text,
    plan         text    NOT NULL,
    asked_at     bigint  NOT NULL,
    standing     text    NOT NULL,                          -- JSON
    answered_at  bigint
);
CREATE INDEX ask_person ON ask (tenant, person);

-- What a service allows, and all workers spend from: see Bucket.
CREATE TABLE budget (
    tenant        bigint NOT NULL REFERENCES tenant,
    target        text   COLLATE "C" NOT NULL,
    level         double precision NOT NULL,
    filled_at     bigint NOT NULL,
    share         double precision NOT NULL,
    blocked_until bigint,
    PRIMARY KEY (tenant, target)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE name (
    tenant bigint NOT NULL REFERENCES tenant,
    name   text   COLLATE "C" NOT NULL,                     -- in lower case
    person text   COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, name)
);
CREATE INDEX name_person ON name (tenant, person);

CREATE TABLE delivery (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant    bigint NOT NULL REFERENCES tenant,
    source    text   NOT NULL,
    opened_at bigint NOT NULL,
    state     bigint NOT NULL DEFAULT 0,                    -- 0 open, 1 held, 2 releasing, 3 released, 4 discarded
    last_row  bigint NOT NULL DEFAULT 0,                    -- number of the newest row that was staged
    totals    text   NOT NULL DEFAULT 'null',
    findings  text   NOT NULL DEFAULT '[]',
    decision  text                                          -- who and why
);
CREATE UNIQUE INDEX delivery_open ON delivery (tenant, source) WHERE state = 0;
CREATE INDEX delivery_source ON delivery (tenant, source, id);
CREATE INDEX delivery_staged ON delivery (tenant, id) WHERE state < 3;

CREATE TABLE staged (
    tenant   bigint NOT NULL,
    delivery bigint NOT NULL REFERENCES delivery (id),
    row      bigint NOT NULL,
    person   text   COLLATE "C" NOT NULL,
    content  text   NOT NULL,
    PRIMARY KEY (delivery, row)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

CREATE TABLE source (
    tenant bigint NOT NULL REFERENCES tenant,
    source text   NOT NULL,
    totals text   NOT NULL,                                 -- of the last good delivery
    PRIMARY KEY (tenant, source)
);

CREATE TABLE quarantine (
    seq    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant bigint NOT NULL REFERENCES tenant,
    id     text   COLLATE "C" NOT NULL,
    person text   COLLATE "C" NOT NULL,
    event  text   NOT NULL
);
CREATE INDEX quarantine_id ON quarantine (tenant, id);

-- Messages: which records were seen, dead letters of inputs, and how far receivers of outcomes have been told.
CREATE TABLE receipt (
    tenant bigint NOT NULL REFERENCES tenant,
    id     text   COLLATE "C" NOT NULL,                     -- of the record's event
    person text   COLLATE "C",                              -- NULL: erased
    digest text,                                            -- of the record
    PRIMARY KEY (tenant, id)
);
CREATE INDEX receipt_person ON receipt (tenant, person) WHERE person IS NOT NULL;

CREATE TABLE newest (
    tenant bigint NOT NULL REFERENCES tenant,
    source text   COLLATE "C" NOT NULL,
    person text   COLLATE "C" NOT NULL,
    at     bigint NOT NULL,                                 -- of the newest record that the source sent of the person
    PRIMARY KEY (tenant, source, person)
);
CREATE INDEX newest_person ON newest (tenant, person);

CREATE TABLE letter (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      bigint NOT NULL REFERENCES tenant,
    source      text   COLLATE "C" NOT NULL,
    message_id  text   COLLATE "C" NOT NULL,
    digest      text   COLLATE "C" NOT NULL,                -- of the content
    message     text   NOT NULL,                            -- Message, without the content
    data        bytea,                                      -- NULL: destroyed with the decision
    person      text   COLLATE "C",
    reason      text   NOT NULL,
    received_at bigint NOT NULL,
    state       bigint NOT NULL DEFAULT 0,                  -- 0 open, 1 accepted, 2 discarded
    decision    text,                                       -- who and why
    UNIQUE (tenant, source, message_id, digest)
);
CREATE INDEX letter_open   ON letter (tenant, id)     WHERE state = 0;
CREATE INDEX letter_person ON letter (tenant, person) WHERE person IS NOT NULL;

CREATE TABLE bookmark (
    tenant  bigint NOT NULL REFERENCES tenant,
    name    text   COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    value   text   NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- Plans that the guard has refused. At most one is open: frozen, or released and not applied yet.
CREATE TABLE frozen (
    seq    bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order of freezing
    tenant bigint  NOT NULL REFERENCES tenant,
    open   boolean NOT NULL,
    plan   text    NOT NULL                                 -- Frozen
);
CREATE UNIQUE INDEX frozen_open ON frozen (tenant) WHERE open;

-- Who stands under which name in the audit; erasing somebody deletes the salt.
CREATE TABLE pseudonym (
    tenant bigint NOT NULL REFERENCES tenant,
    person text   COLLATE "C" NOT NULL,
    salt   text   NOT NULL,
    PRIMARY KEY (tenant, person)
);

CREATE TABLE audit (
    tenant   bigint NOT NULL REFERENCES tenant,
    sequence bigint NOT NULL,
    at       bigint NOT NULL,
    deed     text   NOT NULL,
    detail   text   NOT NULL,
    event    text   COLLATE "C",
    subject  text   COLLATE "C" NOT NULL,
    actor    text,
    digest   text   NOT NULL,
    previous text   NOT NULL,
    hash     text   NOT NULL,
    PRIMARY KEY (tenant, sequence)
);
CREATE INDEX audit_subject ON audit (tenant, subject, sequence);

-- The end of the chain, for what is cut off; its row is locked last in a transaction, and shortly.
CREATE TABLE audit_head (
    tenant   bigint PRIMARY KEY REFERENCES tenant,
    sequence bigint NOT NULL,
    hash     text   NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is only added to'; END $$;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_added_to();
