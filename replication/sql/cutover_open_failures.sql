-- cutover_open_failures: rows that verifications found different and that nobody repaired
-- params:  $1 text task
-- returns: rows int8, tables int8, by_others int8, a_table text (one of them, NULL none)
-- needs:   SELECT on bascule.failures; PostgreSQL 15+
SELECT pg_catalog.count(*), pg_catalog.count(DISTINCT (f.table_owner, f.table_name)),
       pg_catalog.count(*) FILTER (WHERE f.writer = 'others'),
       pg_catalog.min(f.table_owner || '.' || f.table_name)
FROM bascule.failures f
WHERE f.task_name = $1::pg_catalog.text AND f.repaired_at IS NULL
