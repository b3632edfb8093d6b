-- control_table_names: under which names of the source a task's tables move
-- params:  $1 text task
-- returns: schema_name text, table_name text
-- needs:   SELECT on bascule.table_state; PostgreSQL 15+
SELECT t.schema_name, t.table_name
FROM bascule.table_state t
WHERE t.task = $1::pg_catalog.text
