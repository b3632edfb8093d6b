-- backup_find_table: a table that a task will write to, as it is now; a partitioned one as its partitions
-- params:  $1 text schema, $2 text table
-- returns: schema_name name, table_name name, oid oid; no row: it is not there
-- needs:   pg_catalog only; PostgreSQL 15+
SELECT ln.nspname, l.relname, l.oid
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) t WHERE c.relkind = 'p' AND t.isleaf
    UNION ALL
    SELECT c.oid WHERE c.relkind = 'r') AS part (oid)
JOIN pg_catalog.pg_class l ON l.oid = part.oid AND l.relkind = 'r'
JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace
WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text
ORDER BY l.oid
