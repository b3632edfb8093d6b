-- source_shapes: for each of the given tables, what must not change while its rows are moving
-- params:  $1 oid[] tables
-- returns: oid, schema, name, facts text (a hash of columns, types, identity), file oid, attributes text (a
--          hash of who wrote the columns' rows last), class_xmin, space_xmin (as text), labels
--          text (a hash of the labels of enums), names text (a hash of who wrote the rows of its type and of its
--          schema last: a table's name and schema stand there too), owners text (a hash of who owns both, and of the rights on the schema)
-- needs:   pg_catalog only; PostgreSQL 14+
-- A TRUNCATE, VACUUM FULL or CLUSTER gives a new file and leaves the columns' rows alone; an ALTER that
-- rewrites values writes both, whether the type changes or not. A partition's place is a fact; of a
-- partitioned table that moves as one, its partitions' names, places and identities are, and its file and
-- writers are theirs.
WITH RECURSIVE tables AS (
    SELECT c.oid, n.nspname, c.relname, c.relpersistence, c.relreplident, c.relfilenode, c.relispartition,
           c.relkind, c.xmin::text AS class_xmin, n.xmin::text AS space_xmin
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND c.relkind IN ('r', 'p')
), members (tab, oid) AS ( -- whose rows count as the table's
    SELECT oid, oid FROM tables
  UNION
    SELECT tables.oid, t.relid
    FROM tables CROSS JOIN LATERAL pg_catalog.pg_partition_tree(tables.oid) t
    WHERE tables.relkind = 'p'
), att AS (
    SELECT a.*
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
    SELECT members.tab,
           pg_catalog.concat_ws(E'\x01', 'key', NULLIF(members.oid, members.tab), i.indkey, i.indnkeyatts,
                                i.indisprimary, i.indisreplident, i.indimmediate, i.indisvalid)
    FROM pg_catalog.pg_index i
    JOIN members ON members.oid = i.indrelid
    WHERE i.indisprimary OR i.indisreplident
  UNION ALL
    SELECT tables.oid, pg_catalog.concat_ws(E'\x01', 'place', up.n, c.oid, i.inhparent,
                                            pg_catalog.pg_get_expr(c.relpartbound, c.oid))
    FROM tables
    CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(tables.oid) WITH ORDINALITY AS up (oid, n)
    JOIN pg_catalog.pg_class c ON c.oid = up.oid AND c.relispartition
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
    WHERE tables.relispartition
  UNION ALL
    SELECT members.tab, pg_catalog.concat_ws(E'\x01', 'partition', c.oid, n.nspname, c.relname, c.relkind,
                                             c.relpersistence, c.relreplident, i.inhparent,
                                             pg_catalog.pg_get_expr(c.relpartbound, c.oid))
    FROM members
    JOIN pg_catalog.pg_class c ON c.oid = members.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
    WHERE members.oid <> members.tab
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
    SELECT members.tab, pg_catalog.hashtextextended(
               pg_catalog.string_agg(a.attnum || ':' || a.xmin::text, ','
                                     ORDER BY a.attrelid, a.attnum) COLLATE "C",
               0) AS a
    FROM members
    JOIN pg_catalog.pg_attribute a
      ON a.attrelid = members.oid AND a.attnum > 0 AND NOT a.attisdropped
    GROUP BY members.tab
), files AS (
    SELECT members.tab, pg_catalog.hashtextextended(
               pg_catalog.string_agg(c.relfilenode::text, ',' ORDER BY c.oid) COLLATE "C", 0)
               & 4294967295 AS a
    FROM members
    JOIN pg_catalog.pg_class c ON c.oid = members.oid
    WHERE members.oid <> members.tab
    GROUP BY members.tab
), named AS (
    SELECT members.tab,
           pg_catalog.hashtextextended(pg_catalog.string_agg(t.xmin::text || ' ' || n.xmin::text, ','
                                                             ORDER BY c.oid) COLLATE "C", 0) AS a,
           pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', pg_catalog.string_agg(c.relowner || ' ' || n.nspowner || ' ' || COALESCE(n.nspacl::text, ''), ','
                                                             ORDER BY c.oid)) COLLATE "C", 0) AS b
    FROM members
    JOIN pg_catalog.pg_class c ON c.oid = members.oid
    JOIN pg_catalog.pg_type t ON t.oid = c.reltype
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    GROUP BY members.tab
), labels AS (
    SELECT parts.tab, pg_catalog.hashtextextended(
               pg_catalog.string_agg(e.enumtypid || ':' || e.enumlabel, E'\x02'
                                     ORDER BY e.enumtypid, e.enumsortorder) COLLATE "C", 0) AS a
    FROM parts
    JOIN pg_catalog.pg_enum e ON e.enumtypid = parts.oid
    GROUP BY parts.tab
)
SELECT tables.oid, tables.nspname, tables.relname,
       pg_catalog.to_hex(hashed.a) || pg_catalog.to_hex(hashed.b),
       COALESCE(files.a, tables.relfilenode::pg_catalog.int8),
       pg_catalog.to_hex(COALESCE(written.a, 0)), tables.class_xmin, tables.space_xmin,
       pg_catalog.to_hex(COALESCE(labels.a, 0)), pg_catalog.to_hex(named.a), pg_catalog.to_hex(named.b)
FROM tables
JOIN hashed ON hashed.tab = tables.oid
JOIN named ON named.tab = tables.oid
LEFT JOIN written ON written.tab = tables.oid
LEFT JOIN files ON files.tab = tables.oid
LEFT JOIN labels ON labels.tab = tables.oid
