-- verify_table_copy: which copy of a table the target holds
-- params:  $1 text task, $2 text schema, $3 text name (as on the source)
-- returns: start_lsn pg_lsn, suspended bool; no row: the task has no such table any more
-- needs:   SELECT on bascule.table_state; PostgreSQL 15+
SELECT t.start_lsn, t.suspended_lsn IS NOT NULL AS suspended
FROM bascule.table_state t
WHERE t.task = $1::pg_catalog.text AND t.schema_name = $2::pg_catalog.text
  AND t.table_name = $3::pg_catalog.text
