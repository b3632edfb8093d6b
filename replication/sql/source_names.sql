-- source_names: what the given tables are called now, and who wrote that last
-- params:  $1 oid[] tables
-- returns: snapshot text (of this statement), lsn pg_lsn, oid, schema, name, class_xmin, space_xmin (as text);
--          one row with NULL oid when no table is left
-- needs:   pg_catalog only; PostgreSQL 13+
SELECT pg_catalog.pg_current_snapshot()::text, pg_catalog.pg_current_wal_insert_lsn(),
       t.oid, t.nspname, t.relname, t.class_xmin, t.space_xmin
FROM (SELECT 1) AS one (x)
LEFT JOIN (
    SELECT c.oid, n.nspname, c.relname, c.xmin::text AS class_xmin, n.xmin::text AS space_xmin
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY ($1::pg_catalog.oid[])
) AS t ON true
