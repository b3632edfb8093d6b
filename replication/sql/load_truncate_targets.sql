-- load_truncate_targets: what to name in one TRUNCATE that empties just the given tables
-- params:  $1 text[] schemas, $2 text[] tables (of the target, pairwise)
-- returns: schema, name, only (false for partitioned ones, which stand for all of their leaves)
-- needs:   pg_catalog only; PostgreSQL 12+
-- A partitioned table whose leaves are all given is named itself: foreign keys that refer to it would
-- otherwise forbid the TRUNCATE of its leaves.
WITH given AS (
    SELECT c.oid, c.relname, n.nspname, c.relkind, c.relispartition
    FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) t (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
), root AS (
    SELECT DISTINCT pg_catalog.pg_partition_root(oid)::pg_catalog.oid AS oid
    FROM given WHERE relispartition
), whole AS (
    SELECT root.oid
    FROM root
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_partition_tree(root.oid) p
                      WHERE p.isleaf AND p.relid NOT IN (SELECT oid FROM given))
)
SELECT n.nspname, c.relname, false
FROM whole
JOIN pg_catalog.pg_class c ON c.oid = whole.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT given.nspname, given.relname, given.relkind <> 'p'
FROM given
WHERE NOT given.relispartition
   OR pg_catalog.pg_partition_root(given.oid) NOT IN (SELECT oid FROM whole)
