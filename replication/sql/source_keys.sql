-- source_keys: the index that identifies rows of the given tables to logical decoding
-- params:  $1 oid[] tables
-- returns: table oid, attnums of the index's key columns as text "1 2", all of them NOT NULL
-- needs:   pg_catalog only; PostgreSQL 14+
-- The same rule as the server's own (RelationGetReplicaIndex): primary key for identity default, the
-- marked index for identity index; live, valid, unique, immediate, without predicate and expressions.
-- For identity full the primary key is given: it still names the row.
SELECT i.indrelid,
       (SELECT string_agg(k.attnum::text, ' ' ORDER BY k.ord)
        FROM unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY k (attnum, ord)
        WHERE k.ord <= i.indnkeyatts) AS key,
       NOT EXISTS (SELECT
                   FROM unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY k (attnum, ord)
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                   WHERE k.ord <= i.indnkeyatts AND NOT a.attnotnull) AS not_null
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
WHERE i.indrelid = ANY ($1::pg_catalog.oid[])
  AND i.indislive AND i.indisvalid AND i.indisunique AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
  AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'n' THEN false ELSE i.indisprimary END
