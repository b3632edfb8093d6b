-- backup_schema: which backups were made of this database, in schema bascule; harmless when they are there
-- params:  none (a script: several statements, one transaction)
-- returns: nothing
-- needs:   CREATE on the database, or on schema bascule where that is there; PostgreSQL 15+
SELECT pg_catalog.pg_advisory_xact_lock(27691695935417445);

CREATE SCHEMA IF NOT EXISTS bascule;

CREATE TABLE IF NOT EXISTS bascule.backup (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('made', 'restoring', 'restored', 'closed', 'opened')),
    file       text NOT NULL,
    host       text NOT NULL,
    sha256     text NOT NULL,
    bytes      bigint NOT NULL,
    prepare    text NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE bascule.backup IS
    'Backups that bascule made of this database before a task touched it. It stays when "bascule cleanup" removes tasks.';
COMMENT ON COLUMN bascule.backup.state IS
    'made; restoring: a restore has begun and not ended; restored; closed: its task was cleaned up; opened: its task was cut over.';
COMMENT ON COLUMN bascule.backup.host IS 'The machine that has the file.';
COMMENT ON COLUMN bascule.backup.sha256 IS 'Of the file''s bytes.';
COMMENT ON COLUMN bascule.backup.prepare IS 'target.prepare of the task: with create a restore drops the tables that were not there.';

CREATE TABLE IF NOT EXISTS bascule.backup_table (
    backup       bigint NOT NULL REFERENCES bascule.backup ON DELETE CASCADE,
    schema_name  text NOT NULL,
    table_name   text NOT NULL,
    table_oid    oid,
    column_names text[],
    row_count    bigint,
    PRIMARY KEY (backup, schema_name, table_name)
);
COMMENT ON TABLE bascule.backup_table IS 'The task''s tables on this database as the backup found them.';
COMMENT ON COLUMN bascule.backup_table.table_oid IS 'NULL: it was not there.';
COMMENT ON COLUMN bascule.backup_table.row_count IS 'Under the snapshot of the backup.'
