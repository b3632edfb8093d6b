-- source_partition_bound: of which table a table is a partition, and for which values
-- params:  $1 oid table
-- returns: schema, name of the partitioned table, bound text; no row when it is no partition
-- needs:   pg_catalog only; PostgreSQL 14+
SELECT n.nspname, p.relname, pg_catalog.pg_get_expr(c.relpartbound, c.oid)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
WHERE c.oid = $1::pg_catalog.oid AND c.relispartition
