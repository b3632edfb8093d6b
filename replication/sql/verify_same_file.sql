-- verify_same_file: is the table that the snapshot shows still the one behind its name?
-- params:  $1 text schema, $2 text name
-- returns: same boolean, file text (another one after TRUNCATE and whatever writes the table anew, as the
--          snapshot shows it); no row: the snapshot knows no such table
-- needs:   nothing but the catalog; PostgreSQL 15+
-- Catalog tables are read under the snapshot; pg_relation_filenode and pg_partition_tree look at what is
-- true now. A partitioned table is the same when all its partitions are, and no other has come or gone.
WITH RECURSIVE tab AS (
    SELECT c.oid, c.relkind, c.relfilenode
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1::pg_catalog.name AND c.relname = $2::pg_catalog.name
), down (oid) AS (
    SELECT oid FROM tab WHERE relkind = 'p'
  UNION ALL
    SELECT i.inhrelid FROM down JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid
), leaf AS (
    SELECT c.oid, c.relfilenode FROM down JOIN pg_catalog.pg_class c ON c.oid = down.oid AND c.relkind = 'r'
)
SELECT CASE tab.relkind
       WHEN 'r' THEN COALESCE(tab.relfilenode = pg_catalog.pg_relation_filenode(tab.oid), false)
       WHEN 'p' THEN NOT EXISTS (SELECT FROM leaf
                                 WHERE leaf.relfilenode
                                       IS DISTINCT FROM pg_catalog.pg_relation_filenode(leaf.oid))
                     AND (SELECT pg_catalog.count(*) FROM leaf)
                         = (SELECT pg_catalog.count(*) FROM pg_catalog.pg_partition_tree(tab.oid) t
                            JOIN leaf ON leaf.oid = t.relid WHERE t.isleaf)
       ELSE true
       END AS same,
       CASE tab.relkind
       WHEN 'p' THEN (SELECT pg_catalog.hashtextextended(COALESCE(pg_catalog.string_agg(
                                 leaf.oid || '/' || leaf.relfilenode, ' ' ORDER BY leaf.oid), ''), 0)::pg_catalog.text
                      FROM leaf)
       ELSE tab.oid || '/' || tab.relfilenode
       END AS file
FROM tab
