-- source_roots: the partitioned tables of which the given tables are partitions
-- params:  $1 oid[] tables
-- returns: oid (topmost root), schema, name, row_security, partitions int8 (of any kind, not partitioned
--          themselves), foreign int8 (those that are foreign tables); schema and name once more, in UTF-8 as
--          hex digits (NULL: as above)
-- needs:   pg_catalog only; PostgreSQL 14+
SELECT c.oid, n.nspname, c.relname, c.relrowsecurity,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_partition_tree(c.oid) t
        JOIN pg_catalog.pg_class l ON l.oid = t.relid AND l.relkind = 'f'),
       CASE WHEN e.other THEN pg_catalog.encode(pg_catalog.convert_to(n.nspname, 'UTF8'), 'hex') END,
       CASE WHEN e.other THEN pg_catalog.encode(pg_catalog.convert_to(c.relname, 'UTF8'), 'hex') END
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN (SELECT pg_catalog.getdatabaseencoding() NOT IN ('UTF8', 'SQL_ASCII', 'MULE_INTERNAL')) AS e (other)
WHERE c.oid IN (SELECT pg_catalog.pg_partition_root(t.oid) FROM pg_catalog.unnest($1::pg_catalog.oid[]) t (oid))
  AND c.relkind = 'p'
ORDER BY n.nspname, c.relname
