-- tables_of_others: the source's tables that other tasks from this source database move into this one
-- params:  $1 text task, $2 text system identifier of the source, $3 text source database
-- returns: task text, schema_name text, table_name text
-- needs:   SELECT on bascule.task and bascule.table_state; PostgreSQL 15+
SELECT t.task, t.schema_name, t.table_name
FROM bascule.table_state t
JOIN bascule.task k ON k.task = t.task
WHERE t.task <> $1::pg_catalog.text AND k.source_system_id = $2::pg_catalog.text
  AND k.source_database = $3::pg_catalog.text AND t.state <> 'Table cancelled'
ORDER BY t.task, t.schema_name, t.table_name
