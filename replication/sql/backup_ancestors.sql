-- backup_ancestors: the partitioned tables above a table
-- params:  $1 oid
-- returns: oid oid, schema_name name, table_name name
-- needs:   pg_catalog only; PostgreSQL 15+
SELECT c.oid, n.nspname, c.relname
FROM pg_catalog.pg_partition_ancestors($1::pg_catalog.oid) AS up (oid)
JOIN pg_catalog.pg_class c ON c.oid = up.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid <> $1::pg_catalog.oid
