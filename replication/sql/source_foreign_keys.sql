-- source_foreign_keys: foreign keys of the given tables, by leaf where partitions are referenced
-- params:  $1 oid[] tables
-- returns: constraint oid, name, from oid, to oid (a table; a leaf for a partitioned one; 0 none left),
--          deferrable, validated, on_delete
-- needs:   pg_catalog only; PostgreSQL 14+
-- A leaf has constraint rows of its own. Rows that only repeat a key for each partition of the
-- referenced table (parent row with the same referencing table) are left out: the root stands for all.
WITH RECURSIVE fk AS (
    SELECT c.oid, c.conname, c.conrelid, c.confrelid, c.condeferrable, c.convalidated, c.confdeltype
    FROM pg_catalog.pg_constraint c
    WHERE c.contype = 'f' AND c.conrelid = ANY ($1::pg_catalog.oid[])
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint p
                      WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)
), down (root, oid) AS (
    SELECT DISTINCT confrelid, confrelid FROM fk
  UNION ALL
    SELECT down.root, i.inhrelid
    FROM down
    JOIN pg_catalog.pg_class c ON c.oid = down.oid AND c.relkind = 'p'
    JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid
)
SELECT fk.oid, fk.conname, fk.conrelid, COALESCE(leaf.oid, 0::pg_catalog.oid), fk.condeferrable,
       fk.convalidated, fk.confdeltype
FROM fk
LEFT JOIN (SELECT down.root, down.oid
           FROM down JOIN pg_catalog.pg_class c ON c.oid = down.oid AND c.relkind <> 'p') leaf
       ON leaf.root = fk.confrelid
ORDER BY fk.oid, leaf.oid
