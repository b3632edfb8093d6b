-- control_tables_read: the rows of all tables of a task
-- params:  $1 text task
-- returns: schema_name text, table_name text, source_oid int8, state text, start_lsn pg_lsn,
--          rows_loaded int8, bytes_loaded int8, suspended_lsn pg_lsn, message text, shape text,
--          from_lsn pg_lsn, paused text
-- needs:   SELECT, UPDATE on bascule.table_state; PostgreSQL 15+
-- The lock waits for a copy that a killed process had sent its COMMIT for (it may wait for a standby):
-- what is read here decides what is copied again.
SELECT t.schema_name, t.table_name, t.source_oid, t.state, t.start_lsn, t.rows_loaded, t.bytes_loaded,
       t.suspended_lsn, t.message, t.shape, t.from_lsn,
       pg_catalog.to_jsonb(t) OPERATOR(pg_catalog.->>) 'paused' AS paused -- which an older version did not have
FROM bascule.table_state t
WHERE t.task = $1::pg_catalog.text
FOR UPDATE
