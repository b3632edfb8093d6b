-- source_partitions: how each of the given partitions came to be one, and by what its rows are identified
-- params:  $1 oid[] tables
-- returns: oid, chain text (see the fragment), replident, names of the identity's key columns text[] (NULL:
--          none), oid of the root's index that the identity belongs to (0: of none)
-- needs:   pg_catalog only; PostgreSQL 14+
SELECT c.oid,
       -- include partition_chain
       AS chain,
       c.relreplident, identity.columns, COALESCE(identity.root, 0::pg_catalog.oid)
FROM pg_catalog.pg_class c
LEFT JOIN LATERAL (
    SELECT (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY k.ord)
            FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY k (attnum, ord)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.ord <= i.indnkeyatts) AS columns,
           (SELECT top.indexrelid FROM pg_catalog.pg_index top
            WHERE top.indexrelid = pg_catalog.pg_partition_root(i.indexrelid)
              AND top.indrelid = pg_catalog.pg_partition_root(c.oid)) AS root
    FROM pg_catalog.pg_index i
    WHERE i.indrelid = c.oid
      AND i.indislive AND i.indisvalid AND i.indisunique AND i.indimmediate
      AND i.indpred IS NULL AND i.indexprs IS NULL
      AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'n' THEN false ELSE i.indisprimary END
) AS identity ON true
WHERE c.oid = ANY ($1::pg_catalog.oid[])
ORDER BY c.oid
