-- fence_others: the fences of other tasks that refuse writes on this side now
-- params:  $1 text task
-- returns: schema_name name, table_name name, task text
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT n.nspname AS schema_name, c.relname AS table_name,
       pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\000', 1) AS task
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.proname = 'fence_refuse'
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace AND pn.nspname = 'bascule'
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgenabled <> 'D'
  AND pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\000', 1) <> $1::pg_catalog.text
