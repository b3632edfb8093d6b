-- source_tables: every table that can hold rows and could be in scope
-- params:  none
-- returns: oid, schema, name, persistence, replident, is_partition, parent oid (topmost partition
--          root or first inheritance parent, 0), parent schema, parent name, has_children,
--          row_security, estimated_rows (-1 unknown), bytes, heap_blocks (0: not a heap);
--          schema, name, parent schema, parent name once more, in UTF-8 as hex digits (NULL: as above)
-- needs:   pg_catalog only; PostgreSQL 14+
WITH RECURSIVE up (leaf, oid) AS (
    SELECT i.inhrelid, i.inhparent
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
  UNION ALL
    SELECT up.leaf, i.inhparent
    FROM up
    JOIN pg_catalog.pg_class c ON c.oid = up.oid AND c.relispartition
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid
), root AS (
    SELECT up.leaf, up.oid
    FROM up
    JOIN pg_catalog.pg_class c ON c.oid = up.oid AND NOT c.relispartition
), parent AS (
    SELECT leaf, oid FROM root
  UNION ALL
    SELECT i.inhrelid, i.inhparent
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND NOT c.relispartition
    WHERE i.inhseqno = 1
), children AS (
    SELECT DISTINCT inhparent AS oid FROM pg_catalog.pg_inherits
)
SELECT c.oid, n.nspname, c.relname, c.relpersistence, c.relreplident, c.relispartition,
       COALESCE(parent.oid, 0::pg_catalog.oid) AS parent, pn.nspname, pc.relname,
       children.oid IS NOT NULL AS has_children,
       c.relrowsecurity,
       CASE WHEN c.reltuples < 0 THEN -1 ELSE c.reltuples::pg_catalog.int8 END AS estimated_rows,
       pg_catalog.pg_table_size(c.oid) AS bytes,
       CASE WHEN am.amname = 'heap'
            THEN pg_catalog.pg_relation_size(c.oid)
                 / pg_catalog.current_setting('block_size')::pg_catalog.int8
            ELSE 0 END AS heap_blocks,
       CASE WHEN e.other THEN pg_catalog.encode(pg_catalog.convert_to(n.nspname, 'UTF8'), 'hex') END,
       CASE WHEN e.other THEN pg_catalog.encode(pg_catalog.convert_to(c.relname, 'UTF8'), 'hex') END,
       CASE WHEN e.other THEN pg_catalog.encode(pg_catalog.convert_to(pn.nspname, 'UTF8'), 'hex') END,
       CASE WHEN e.other THEN pg_catalog.encode(pg_catalog.convert_to(pc.relname, 'UTF8'), 'hex') END
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
LEFT JOIN parent ON parent.leaf = c.oid
LEFT JOIN pg_catalog.pg_class pc ON pc.oid = parent.oid
LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
LEFT JOIN children ON children.oid = c.oid
CROSS JOIN (SELECT pg_catalog.getdatabaseencoding() NOT IN ('UTF8', 'SQL_ASCII', 'MULE_INTERNAL')) AS e (other)
WHERE c.relkind = 'r'
  AND c.relpersistence IN ('p', 'u')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'bascule')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
