-- audit_schema: the copy of the audit in schema bascule; harmless when it is there
-- params:  none (a script: several statements, one transaction)
-- returns: nothing
-- needs:   CREATE on schema bascule; PostgreSQL 15+
SELECT pg_catalog.pg_advisory_xact_lock(27691695935417445);

CREATE TABLE IF NOT EXISTS bascule.audit (
    log        text NOT NULL,
    seq        bigint NOT NULL,
    task       text NOT NULL,
    record     text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    by_role    text NOT NULL DEFAULT SESSION_USER,
    PRIMARY KEY (log, seq)
);
COMMENT ON TABLE bascule.audit IS
    'Copy of the audit of operators'' actions; "bascule audit verify" compares it with the file on disk.';
COMMENT ON COLUMN bascule.audit.log IS 'The file that the record was written to first.';
COMMENT ON COLUMN bascule.audit.seq IS 'Place in the chain, from 1 without gaps.';
COMMENT ON COLUMN bascule.audit.record IS
    'JSON, byte for byte as in the file: each holds the hash of the one before it and its own.';
COMMENT ON COLUMN bascule.audit.written_at IS 'When the copy was made here.';
COMMENT ON COLUMN bascule.audit.by_role IS 'Role that bascule was connected as.';

CREATE OR REPLACE FUNCTION bascule.audit_refuse() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS
$$BEGIN RAISE EXCEPTION 'rows of bascule.audit are only ever added'; END$$;
CREATE OR REPLACE TRIGGER audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON bascule.audit
    FOR EACH STATEMENT EXECUTE FUNCTION bascule.audit_refuse();
ALTER TABLE bascule.audit ENABLE ALWAYS TRIGGER audit_refuse;
REVOKE ALL ON bascule.audit FROM PUBLIC;
