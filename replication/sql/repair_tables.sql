-- repair_tables: tables with rows that differ and are not repaired
-- params:  $1 text task
-- returns: schema text, table text
-- needs:   SELECT on bascule.failures; PostgreSQL 15+
SELECT DISTINCT f.table_owner, f.table_name
FROM bascule.failures f
WHERE f.task_name = $1::pg_catalog.text AND f.repaired_at IS NULL
ORDER BY f.table_owner, f.table_name
