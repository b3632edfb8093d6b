-- export_others: tables that are there and take no part in the task, as they are called now
-- params:  $1 oid[] tables of the task
-- returns: schema_name text, table_name text
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT n.nspname AS schema_name, c.relname AS table_name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid <> ALL ($1::pg_catalog.oid[])
