-- verify_schema: tables of the verification in schema bascule; harmless when they are there
-- params:  none (a script: several statements, one transaction)
-- returns: nothing
-- needs:   CREATE on schema bascule; PostgreSQL 15+
SELECT pg_catalog.pg_advisory_xact_lock(27691695935417445);

CREATE TABLE IF NOT EXISTS bascule.verify_run (
    run         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task        text NOT NULL,
    options     text NOT NULL,
    state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'given up')),
    verdict     text,
    exact       boolean NOT NULL,
    source_lsn  pg_lsn,
    target_lsn  pg_lsn,
    started_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished_at timestamptz
);
COMMENT ON TABLE bascule.verify_run IS 'One row a run of "bascule verify".';
COMMENT ON COLUMN bascule.verify_run.options IS 'What was compared; a run goes on only with the same.';
COMMENT ON COLUMN bascule.verify_run.state IS 'running: under way, or interrupted and to be gone on with.';
COMMENT ON COLUMN bascule.verify_run.exact IS
    'Both sides were read at one position; else one after the other.';
COMMENT ON COLUMN bascule.verify_run.source_lsn IS 'Position of the last snapshot on the source.';

CREATE TABLE IF NOT EXISTS bascule.verify_table (
    run            bigint NOT NULL,
    task           text NOT NULL,
    schema_name    text NOT NULL,
    table_name     text NOT NULL,
    verdict        text NOT NULL,
    why            text NOT NULL,
    method         text NOT NULL,
    next_key       text[],
    next_part      integer NOT NULL,
    at_least       boolean NOT NULL,
    rows_source    bigint NOT NULL,
    rows_target    bigint NOT NULL,
    bytes          bigint NOT NULL,
    chunks         bigint NOT NULL,
    missing        bigint NOT NULL,
    extra          bigint NOT NULL,
    different      bigint NOT NULL,
    representation bigint NOT NULL,
    hash_source    text NOT NULL,
    hash_target    text NOT NULL,
    first_lsn      pg_lsn,
    last_lsn       pg_lsn,
    elapsed_us     bigint NOT NULL,
    changed_at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (run, schema_name, table_name)
);
ALTER TABLE bascule.verify_table
    ADD COLUMN IF NOT EXISTS file_source text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS file_target text NOT NULL DEFAULT '';
COMMENT ON TABLE bascule.verify_table IS 'One row a table of a run: how far it is decided and what was found.';
COMMENT ON COLUMN bascule.verify_table.schema_name IS 'Name on the source, as table_name.';
COMMENT ON COLUMN bascule.verify_table.verdict IS
    'undecided (goes on behind next_key or at next_part), proven, equal, contained (the target has rows of its own beside), mismatch or not-verified.';
COMMENT ON COLUMN bascule.verify_table.hash_source IS
    'Sum of the 128-bit hashes of all rows read on the source, hexadecimal.';
COMMENT ON COLUMN bascule.verify_table.file_source IS
    'Which file of the source''s table was read: with another one nothing that was decided holds.';
COMMENT ON COLUMN bascule.verify_table.file_target IS 'The same of the target.';
COMMENT ON COLUMN bascule.verify_table.first_lsn IS 'Position at which its first chunk was decided.';
COMMENT ON COLUMN bascule.verify_table.last_lsn IS 'Position at which its last chunk was decided.';

CREATE TABLE IF NOT EXISTS bascule.failures (
    task_name    varchar(128) NOT NULL,
    table_owner  varchar(128) NOT NULL,
    table_name   varchar(128) NOT NULL,
    failure_time timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    key_type     varchar(128) NOT NULL,
    key          text NOT NULL,
    failure_type varchar(128) NOT NULL,
    details      varchar(8000) NOT NULL,
    first_lsn    pg_lsn,
    run          bigint NOT NULL
);
ALTER TABLE bascule.failures
    ADD COLUMN IF NOT EXISTS repaired_at timestamptz,
    ADD COLUMN IF NOT EXISTS repaired_lsn pg_lsn,
    ADD COLUMN IF NOT EXISTS repair varchar(32),
    ADD COLUMN IF NOT EXISTS writer varchar(32);
CREATE UNIQUE INDEX IF NOT EXISTS failures_row ON bascule.failures
    (task_name, table_owner, table_name, failure_type, pg_catalog.md5(key));
COMMENT ON TABLE bascule.failures IS
    'Rows that differ, one a row: the columns of awsdms_validation_failures_v1, and where, when and how it was mended.';
COMMENT ON COLUMN bascule.failures.table_owner IS 'Schema of the table on the source.';
COMMENT ON COLUMN bascule.failures.failure_time IS 'When it was first seen.';
COMMENT ON COLUMN bascule.failures.key_type IS 'Row: key is the row''s key; RowHash: the table has no key.';
COMMENT ON COLUMN bascule.failures.key IS 'JSON object: key column to text.';
COMMENT ON COLUMN bascule.failures.failure_type IS
    'MISSING_TARGET, MISSING_SOURCE (the target has a row too many), RECORD_DIFF, or RECORD_REPRESENTATION (the same number, written otherwise).';
COMMENT ON COLUMN bascule.failures.details IS
    'JSON array of columns with both values, masked unless they were asked for.';
COMMENT ON COLUMN bascule.failures.first_lsn IS 'Position on the source at which it was first seen.';
COMMENT ON COLUMN bascule.failures.run IS 'The last run of "bascule verify" that saw it.';
COMMENT ON COLUMN bascule.failures.repaired_at IS
    'When "bascule repair" brought the row to what the source had; NULL: it is open.';
COMMENT ON COLUMN bascule.failures.repaired_lsn IS 'Position of the source that the row was brought to.';
COMMENT ON COLUMN bascule.failures.writer IS
    'Who wrote the row that the target has: others (not bascule), unknown, or NULL (it has none, or it was not asked).';
COMMENT ON COLUMN bascule.failures.repair IS
    'insert, replace, delete, or equal (both sides were the same by then, nothing was done).';
