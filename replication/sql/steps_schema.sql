-- steps_schema: the history of schema scripts in schema bascule; harmless when it is there
-- params:  none (a script: several statements, one transaction)
-- returns: nothing
-- needs:   CREATE on the database, or on schema bascule where that is there; PostgreSQL 15+
SELECT pg_catalog.pg_advisory_xact_lock(27691695935417445);

CREATE SCHEMA IF NOT EXISTS bascule;

CREATE TABLE IF NOT EXISTS bascule.schema_history (
    revision        text PRIMARY KEY,
    name            text NOT NULL,
    sha256          text NOT NULL,
    how             text NOT NULL CHECK (how IN ('run', 'recorded')),
    success         boolean NOT NULL,
    applied_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    duration_ms     bigint,
    applied_by      text NOT NULL DEFAULT SESSION_USER,
    bascule_version text NOT NULL
);
COMMENT ON TABLE bascule.schema_history IS
    'Schema scripts that were run here, a row each. It stays when "bascule cleanup" removes tasks.';
COMMENT ON COLUMN bascule.schema_history.revision IS 'Number in front of the file''s name, without leading zeros.';
COMMENT ON COLUMN bascule.schema_history.sha256 IS 'Of the file''s bytes.';
COMMENT ON COLUMN bascule.schema_history.how IS
    'run: bascule ran it; recorded: an operator said (schema fix-history) that it is applied.';
COMMENT ON COLUMN bascule.schema_history.success IS
    'false: begun outside of a transaction and not ended; nobody knows what it left.';
COMMENT ON COLUMN bascule.schema_history.duration_ms IS 'How long it ran; NULL where bascule did not run it to its end.';
COMMENT ON COLUMN bascule.schema_history.applied_by IS 'Role that bascule was connected as.';
