-- source_shapes: for each of the given tables, what must not change while its rows are moving
-- params:  $1 oid[] tables
-- returns: oid, schema, name, facts text (a hash of columns, types, identity), file oid, attributes text (a
--          hash of who wrote the columns' rows last), class_xmin, space_xmin (as text), labels
--          text (a hash of the labels of enums)
-- needs:   pg_catalog only; PostgreSQL 14+
-- A TRUNCATE, VACUUM FULL or CLUSTER gives a new file and leaves the columns' rows alone; an ALTER that
-- rewrites values writes both, whether the type changes or not.
WITH RECURSIVE tables AS (
    SELECT c.oid, n.nspname, c.relname, c.relpersistence, c.relreplident, c.relfilenode,
           c.xmin::text AS class_xmin, n.xmin::text AS space_xmin
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND c.relkind = 'r'
), att AS (
    SELECT a.*, a.xmin::text AS written_by
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid IN (SELECT oid FROM tables) AND a.attnum > 0 AND NOT a.attisdropped
), parts (tab, oid) AS (
    SELECT att.attrelid, att.atttypid FROM att
  UNION
    SELECT parts.tab, part.oid
    FROM parts
    -- include part_of_type
), facts (tab, fact) AS (
    SELECT oid, pg_catalog.concat_ws(E'\x01', 'table', relpersistence, relreplident) FROM tables
  UNION ALL
    SELECT attrelid, pg_catalog.concat_ws(E'\x01', 'column', attnum, attname, atttypid, atttypmod,
                                          attnotnull, attgenerated)
    FROM att
  UNION ALL
    SELECT i.indrelid, pg_catalog.concat_ws(E'\x01', 'key', i.indkey, i.indnkeyatts, i.indisprimary,
                                            i.indisreplident, i.indimmediate, i.indisvalid)
    FROM pg_catalog.pg_index i
    WHERE i.indrelid IN (SELECT oid FROM tables) AND (i.indisprimary OR i.indisreplident)
  UNION ALL
    SELECT parts.tab, pg_catalog.concat_ws(E'\x01', 'field', t.oid, f.attnum, f.attname, f.atttypid,
                                           f.atttypmod)
    FROM parts
    JOIN pg_catalog.pg_type t ON t.oid = parts.oid AND t.typtype = 'c'
    JOIN pg_catalog.pg_attribute f
      ON f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
  UNION ALL
    SELECT parts.tab, pg_catalog.concat_ws(E'\x01', 'domain', t.oid, t.typbasetype, t.typtypmod,
                                           t.typnotnull)
    FROM parts
    JOIN pg_catalog.pg_type t ON t.oid = parts.oid AND t.typtype = 'd'
), hashed AS (
    SELECT tab,
           pg_catalog.hashtextextended(pg_catalog.string_agg(fact COLLATE "C", E'\x02'
                                                             ORDER BY fact COLLATE "C"), 0) AS a,
           pg_catalog.hashtextextended(pg_catalog.string_agg(fact COLLATE "C", E'\x02'
                                                             ORDER BY fact COLLATE "C"), 1) AS b
    FROM facts
    GROUP BY tab
), written AS (
    SELECT attrelid, pg_catalog.hashtextextended(
               pg_catalog.string_agg(attnum || ':' || written_by, ',' ORDER BY attnum) COLLATE "C",
               0) AS a
    FROM att
    GROUP BY attrelid
), labels AS (
    SELECT parts.tab, pg_catalog.hashtextextended(
               pg_catalog.string_agg(e.enumtypid || ':' || e.enumlabel, E'\x02'
                                     ORDER BY e.enumtypid, e.enumsortorder) COLLATE "C", 0) AS a
    FROM parts
    JOIN pg_catalog.pg_enum e ON e.enumtypid = parts.oid
    GROUP BY parts.tab
)
SELECT tables.oid, tables.nspname, tables.relname,
       pg_catalog.to_hex(hashed.a) || pg_catalog.to_hex(hashed.b), tables.relfilenode,
       pg_catalog.to_hex(COALESCE(written.a, 0)), tables.class_xmin, tables.space_xmin,
       pg_catalog.to_hex(COALESCE(labels.a, 0))
FROM tables
JOIN hashed ON hashed.tab = tables.oid
LEFT JOIN written ON written.attrelid = tables.oid
LEFT JOIN labels ON labels.tab = tables.oid
