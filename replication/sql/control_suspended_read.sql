-- control_suspended_read: the suspended tables of a task
-- params:  $1 text task
-- returns: schema_name text, table_name text, suspended_lsn pg_lsn, message text
-- needs:   SELECT on bascule.table_state; PostgreSQL 15+
SELECT t.schema_name, t.table_name, t.suspended_lsn, t.message
FROM bascule.table_state t
WHERE t.task = $1::pg_catalog.text AND t.suspended_lsn IS NOT NULL
