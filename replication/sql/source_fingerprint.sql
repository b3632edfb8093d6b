-- source_fingerprint: one line of text for each fact that must not change while rows are moving
-- params:  $1 oid[] tables
-- returns: fact
-- needs:   pg_catalog only; PostgreSQL 14+
-- The file of a table is not a fact: TRUNCATE changes it.
WITH RECURSIVE parts (oid) AS (
    SELECT a.atttypid FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped
  UNION
    SELECT part.oid
    FROM parts
    -- include part_of_type
)
SELECT pg_catalog.concat_ws(E'\x01', 'table', c.oid, n.nspname, c.relname, c.relkind,
                            c.relpersistence, c.relreplident, c.relispartition)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::pg_catalog.oid[])
UNION ALL
SELECT pg_catalog.concat_ws(E'\x01', 'place', up.oid, i.inhparent, pg_catalog.pg_get_expr(u.relpartbound, u.oid))
FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS t (oid)
CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(t.oid) AS up (oid)
JOIN pg_catalog.pg_class u ON u.oid = up.oid AND u.relispartition
JOIN pg_catalog.pg_inherits i ON i.inhrelid = u.oid
UNION ALL
SELECT pg_catalog.concat_ws(E'\x01', 'partition', c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,
                            c.relreplident, p.parentrelid, pg_catalog.pg_get_expr(c.relpartbound, c.oid))
FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS t (oid)
JOIN pg_catalog.pg_class r ON r.oid = t.oid AND r.relkind = 'p'
CROSS JOIN LATERAL pg_catalog.pg_partition_tree(r.oid) AS p
JOIN pg_catalog.pg_class c ON c.oid = p.relid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT pg_catalog.concat_ws(E'\x01', 'column', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod,
                            a.attnotnull, a.attidentity, a.attgenerated, a.attcollation)
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT pg_catalog.concat_ws(E'\x01', 'key', i.indrelid, i.indkey, i.indnkeyatts, i.indisprimary,
                            i.indisreplident, i.indimmediate, i.indisvalid)
FROM pg_catalog.pg_index i
WHERE i.indrelid = ANY ($1::pg_catalog.oid[]) AND (i.indisprimary OR i.indisreplident)
UNION ALL
SELECT pg_catalog.concat_ws(E'\x01', 'enum', e.enumtypid, e.enumsortorder, e.enumlabel)
FROM pg_catalog.pg_enum e
WHERE e.enumtypid IN (SELECT oid FROM parts)
UNION ALL
SELECT pg_catalog.concat_ws(E'\x01', 'field', t.oid, f.attnum, f.attname, f.atttypid, f.atttypmod)
FROM parts
JOIN pg_catalog.pg_type t ON t.oid = parts.oid AND t.typtype = 'c'
JOIN pg_catalog.pg_attribute f ON f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
UNION ALL
SELECT pg_catalog.concat_ws(E'\x01', 'domain', t.oid, t.typbasetype, t.typtypmod, t.typnotnull)
FROM parts
JOIN pg_catalog.pg_type t ON t.oid = parts.oid AND t.typtype = 'd'
