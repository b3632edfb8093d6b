-- control_schema: schema bascule on the target, everything durable about tasks; harmless when it is there
-- params:  none (a script: several statements, one transaction)
-- returns: nothing
-- needs:   CREATE on the database; PostgreSQL 15+
SELECT pg_catalog.pg_advisory_xact_lock(27691695935417445);

CREATE SCHEMA IF NOT EXISTS bascule;
COMMENT ON SCHEMA bascule IS
    'State of bascule: what has been copied and applied here. Removed by "bascule cleanup".';

CREATE TABLE IF NOT EXISTS bascule.task (
    task             text PRIMARY KEY,
    state            text NOT NULL,
    source_system_id text NOT NULL,
    source_database  text NOT NULL,
    slot_name        text NOT NULL,
    plugin           text NOT NULL,
    publication      text NOT NULL DEFAULT '',
    publication_ours boolean NOT NULL DEFAULT false,
    mode             text NOT NULL,
    prepare          text NOT NULL,
    consistent_lsn   pg_lsn,
    epoch            bigint NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    changed_at       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE bascule.task IS 'One row a migration task: what it is and how far its life cycle has come.';
COMMENT ON COLUMN bascule.task.task IS 'Name of the task, as configured.';
COMMENT ON COLUMN bascule.task.state IS 'State of the task state machine.';
COMMENT ON COLUMN bascule.task.source_system_id IS
    'system_identifier of the source cluster; a task never goes on against another one.';
COMMENT ON COLUMN bascule.task.publication IS 'Publication on the source; empty with wal2json.';
COMMENT ON COLUMN bascule.task.publication_ours IS 'The publication was created by bascule, cleanup drops it.';
COMMENT ON COLUMN bascule.task.consistent_lsn IS
    'Consistent point of the slot: the snapshot of the first copies; NULL until the slot exists.';
COMMENT ON COLUMN bascule.task.epoch IS 'Number of the cutover attempt; only ever grows.';

CREATE TABLE IF NOT EXISTS bascule.resume (
    task        text PRIMARY KEY,
    lsn         pg_lsn NOT NULL,
    commit_time timestamptz,
    wrote       xid8,
    wrote_parts boolean
) WITH (fillfactor = 10);
ALTER TABLE bascule.resume ADD COLUMN IF NOT EXISTS wrote xid8, ADD COLUMN IF NOT EXISTS wrote_parts boolean;
COMMENT ON TABLE bascule.resume IS
    'Where the stream goes on: written in the same transaction as the changes that it covers.';
COMMENT ON COLUMN bascule.resume.lsn IS
    'Position on the source: every transaction that ends at or before it is applied here, no other is.';
COMMENT ON COLUMN bascule.resume.wrote IS
    'Transaction here in which bascule wrote rows last: rows of the task''s tables that are newer are not of bascule. NULL: not known.';
COMMENT ON COLUMN bascule.resume.wrote_parts IS
    'It had subtransactions, whose numbers are higher: until the row is written again nothing is known.';
COMMENT ON COLUMN bascule.resume.commit_time IS
    'Commit time on the source of the last transaction applied; NULL when none has been.';

CREATE TABLE IF NOT EXISTS bascule.table_state (
    task        text NOT NULL,
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    source_oid  bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('Before load', 'Full load', 'Table completed',
                                               'Table cancelled', 'Table error')),
    start_lsn   pg_lsn,
    from_lsn    pg_lsn,
    rows_loaded  bigint,
    bytes_loaded bigint,
    message     text,
    suspended_lsn pg_lsn,
    remedy      text,
    shape       text,
    paused      text CHECK (paused IN ('kept', 'lost')),
    target_schema text,
    target_name text,
    changed_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (task, schema_name, table_name)
);
ALTER TABLE bascule.table_state ADD COLUMN IF NOT EXISTS paused text CHECK (paused IN ('kept', 'lost'));
ALTER TABLE bascule.table_state ADD COLUMN IF NOT EXISTS target_schema text, ADD COLUMN IF NOT EXISTS target_name text;
COMMENT ON TABLE bascule.table_state IS 'One row a table of a task: its full load and where its stream begins.';
COMMENT ON COLUMN bascule.table_state.schema_name IS 'Name on the source, as table_name.';
COMMENT ON COLUMN bascule.table_state.source_oid IS
    'oid of the table on the source when the load began; another one means that it was replaced.';
COMMENT ON COLUMN bascule.table_state.state IS
    'Before load, Full load, Table completed, Table cancelled or Table error.';
COMMENT ON COLUMN bascule.table_state.start_lsn IS
    'Position of the snapshot that was copied: later transactions on the source come by the stream.';
COMMENT ON COLUMN bascule.table_state.from_lsn IS
    'Later position from which its stream begins, because the stream was turned back for other tables; mostly NULL.';
COMMENT ON COLUMN bascule.table_state.rows_loaded IS 'Rows of the full load; NULL when not known.';
COMMENT ON COLUMN bascule.table_state.bytes_loaded IS 'Bytes of the full load; NULL when not known.';
COMMENT ON COLUMN bascule.table_state.message IS 'Why the table is in error, suspended or cancelled.';
COMMENT ON COLUMN bascule.table_state.suspended_lsn IS
    'Position on the source from which on its changes are left out; NULL: it is not suspended.';
COMMENT ON COLUMN bascule.table_state.paused IS
    'Its operator wants it left out: kept, the slot keeps its changes from suspended_lsn on; lost, it is copied again. NULL: not paused.';
COMMENT ON COLUMN bascule.table_state.target_schema IS
    'Where its rows go, with target_name; NULL: under the names of the source.';
COMMENT ON COLUMN bascule.table_state.remedy IS 'Statement that makes the target fit a suspended table.';
COMMENT ON COLUMN bascule.table_state.shape IS
    'What the source''s catalog said of the table when its copy was taken.';

CREATE TABLE IF NOT EXISTS bascule.added_tables (
    task     text NOT NULL,
    pattern  text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (task, pattern)
);
COMMENT ON TABLE bascule.added_tables IS
    'Patterns that "bascule tables add" put beside tables.include of the configuration.';

CREATE TABLE IF NOT EXISTS bascule.step (
    task    text NOT NULL,
    step    text NOT NULL,
    done_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (task, step)
);
COMMENT ON TABLE bascule.step IS 'Steps of the schema work that are done and are not repeated.';

CREATE TABLE IF NOT EXISTS bascule.verdict (
    task       text NOT NULL,
    epoch      bigint NOT NULL,
    verdict    text CHECK (verdict IN ('OPENED', 'REVOKED')),
    decided_at timestamptz,
    PRIMARY KEY (task, epoch)
);
COMMENT ON TABLE bascule.verdict IS 'The decision of each cutover attempt; set once, never changed.';
COMMENT ON COLUMN bascule.verdict.verdict IS
    'NULL while open; OPENED: this database is the primary; REVOKED: the source stayed the primary.';

CREATE TABLE IF NOT EXISTS bascule.journal (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task   text NOT NULL,
    epoch  bigint NOT NULL,
    step   text NOT NULL,
    detail text,
    at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    by_role text NOT NULL DEFAULT SESSION_USER
);
COMMENT ON TABLE bascule.journal IS 'What was done, in order; written before the action it tells of.';
COMMENT ON COLUMN bascule.journal.by_role IS 'Role that bascule was connected as.';

CREATE TABLE IF NOT EXISTS bascule.source_ddl (
    task      text NOT NULL,
    lsn       pg_lsn NOT NULL,
    number    integer NOT NULL,
    tag       text NOT NULL,
    kind      text NOT NULL,
    table_oid bigint NOT NULL,
    name      text NOT NULL,
    statement text NOT NULL,
    seen_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (task, lsn, number)
);
COMMENT ON TABLE bascule.source_ddl IS
    'Statements that changed the source''s schema, as its event triggers told them in the stream.';
COMMENT ON COLUMN bascule.source_ddl.lsn IS 'End of the transaction on the source.';
COMMENT ON COLUMN bascule.source_ddl.table_oid IS 'Table on the source that it concerns; 0: none, or many.';
COMMENT ON COLUMN bascule.source_ddl.statement IS
    'Its text; empty where the text could hold more than the statement, or a secret.';

CREATE TABLE IF NOT EXISTS bascule.disabled_trigger (
    task         text NOT NULL,
    schema_name  text NOT NULL,
    table_name   text NOT NULL,
    trigger_name text NOT NULL,
    enabled      "char" NOT NULL,
    disabled_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (task, schema_name, table_name, trigger_name)
);
COMMENT ON TABLE bascule.disabled_trigger IS
    'Triggers that bascule disabled here while it applies; enabled again at the end.';
COMMENT ON COLUMN bascule.disabled_trigger.enabled IS 'pg_trigger.tgenabled before: what it goes back to.';

CREATE TABLE IF NOT EXISTS bascule.proof (
    task        text NOT NULL,
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    epoch       bigint NOT NULL,
    source_oid  bigint NOT NULL,
    start_lsn   pg_lsn,
    method      text NOT NULL,
    lsn         pg_lsn,
    proved_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    rows        bigint,
    digest      text,
    keys        bigint,
    log_id      text,
    segment     bigint,
    base_lsn    pg_lsn,
    shape       text,
    PRIMARY KEY (task, schema_name, table_name, epoch)
);
ALTER TABLE bascule.proof ADD COLUMN IF NOT EXISTS kept bigint;
COMMENT ON TABLE bascule.proof IS
    'What is known of the equality of source and target, a row a table: while streaming, and of each cutover.';
COMMENT ON COLUMN bascule.proof.epoch IS '0: found while streaming; else the cutover that found it while frozen.';
COMMENT ON COLUMN bascule.proof.start_lsn IS 'Load that was proved: a table loaded again has to be proved again.';
COMMENT ON COLUMN bascule.proof.method IS
    'full-hash, contained, keys, count, none (cutover); rows, mismatch (while streaming).';
COMMENT ON COLUMN bascule.proof.lsn IS 'Position on the source at which both sides were equal.';
COMMENT ON COLUMN bascule.proof.keys IS 'Changed keys that were read again.';
COMMENT ON COLUMN bascule.proof.log_id IS
    'Log of changed keys that goes on from this proof; it does not count with another one.';
COMMENT ON COLUMN bascule.proof.segment IS 'First segment of that log behind the proof.';
COMMENT ON COLUMN bascule.proof.shape IS 'Hash of names and types of the columns that were compared.';
COMMENT ON COLUMN bascule.proof.kept IS
    'Rows that only the target had, and a rule keeps (keep-extra): with some, every row of the source was there and the same.';
COMMENT ON COLUMN bascule.proof.base_lsn IS 'Position of the earlier proof that the keys were added to.';
