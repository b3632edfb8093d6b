-- merge_table: what is recorded of a table's load; waits for a transaction that is about to record it
-- params:  $1 text task, $2 text schema, $3 text table
-- returns: state text
-- needs:   SELECT, UPDATE on bascule.table_state; PostgreSQL 15+
SELECT state FROM bascule.table_state
WHERE task = $1::pg_catalog.text AND schema_name = $2::pg_catalog.text AND table_name = $3::pg_catalog.text
FOR UPDATE
