-- target_truncate_set: what to name in one TRUNCATE that empties just the given tables
-- params:  $1 text[] schemas, $2 text[] tables (of the target, pairwise)
-- returns: schema, name, only (false for partitioned ones, which stand for all of their leaves)
-- needs:   pg_catalog only; PostgreSQL 12+
-- Partitioned tables all of whose leaves are given are named as well: a foreign key from or to one of them
-- would otherwise forbid the TRUNCATE of its leaves. One that the role may not empty is left out.
WITH given AS (
    SELECT c.oid, c.relname, n.nspname, c.relkind, c.relispartition
    FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) t (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
), above AS (
    SELECT DISTINCT up.relid AS oid
    FROM given, pg_catalog.pg_partition_ancestors(given.oid) up (relid)
    WHERE given.relispartition AND up.relid <> given.oid
)
SELECT n.nspname, c.relname, false
FROM above
JOIN pg_catalog.pg_class c ON c.oid = above.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_partition_tree(above.oid) p
                  WHERE p.isleaf AND p.relid NOT IN (SELECT oid FROM given))
  AND pg_catalog.has_table_privilege(above.oid, 'TRUNCATE')
UNION ALL
SELECT given.nspname, given.relname, given.relkind <> 'p'
FROM given
