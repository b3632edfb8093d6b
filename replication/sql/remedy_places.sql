-- remedy_places: how a table is a partition, from itself to the root
-- params:  $1 text schema, $2 text table
-- returns: schema and name of the partition, schema and name of its parent, bound text; no row: it is none
-- needs:   pg_catalog only; PostgreSQL 14+
SELECT n.nspname, c.relname, pn.nspname, p.relname, pg_catalog.pg_get_expr(c.relpartbound, c.oid)
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(t.oid) WITH ORDINALITY AS up (oid, step)
JOIN pg_catalog.pg_class c ON c.oid = up.oid AND c.relispartition
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE tn.nspname = $1::pg_catalog.name AND t.relname = $2::pg_catalog.name
ORDER BY up.step
