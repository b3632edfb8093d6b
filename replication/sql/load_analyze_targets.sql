-- load_analyze_targets: what to ANALYZE so that every given table and its partitioned root have statistics
-- params:  $1 text[] schemas, $2 text[] tables (of the target, pairwise)
-- returns: schema, name, bytes; the largest first
-- needs:   pg_catalog only; PostgreSQL 12+
-- ANALYZE of a partitioned table covers its leaves.
WITH given AS (
    SELECT c.oid, c.relispartition
    FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) t (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
), top AS (
    SELECT CASE WHEN relispartition THEN pg_catalog.pg_partition_root(oid)::pg_catalog.oid ELSE oid END
           AS oid, pg_catalog.sum(pg_catalog.pg_relation_size(oid)) AS bytes
    FROM given
    GROUP BY 1
)
SELECT n.nspname, c.relname, top.bytes
FROM top
JOIN pg_catalog.pg_class c ON c.oid = top.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY top.bytes DESC, n.nspname, c.relname
