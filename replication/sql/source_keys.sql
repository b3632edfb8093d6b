-- source_keys: the index that identifies rows of the given tables to logical decoding
-- params:  $1 oid[] tables
-- returns: table oid, attnums of the index's key columns as text "1 2", all of them NOT NULL,
--          schemas of their operators =, one a line ('': it has another name)
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
                   WHERE k.ord <= i.indnkeyatts AND NOT a.attnotnull) AS not_null,
       (SELECT pg_catalog.string_agg(COALESCE(e.nspname, ''), E'\n' ORDER BY k.ord)
        FROM pg_catalog.unnest(i.indclass::pg_catalog.oid[]) WITH ORDINALITY k (class, ord)
        JOIN pg_catalog.pg_opclass oc ON oc.oid = k.class
        LEFT JOIN pg_catalog.pg_amop ao
          ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
         AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
        LEFT JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr AND o.oprname = '='
        LEFT JOIN pg_catalog.pg_namespace e ON e.oid = o.oprnamespace) AS equal_schemas
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
WHERE i.indrelid = ANY ($1::pg_catalog.oid[])
  AND i.indislive AND i.indisvalid AND i.indisunique AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
  AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'n' THEN false ELSE i.indisprimary END
