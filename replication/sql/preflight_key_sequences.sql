-- preflight_key_sequences: columns of keys and other unique indexes whose default or identity draws from a sequence
-- params:  $1 text[] schema, $2 text[] table, of equal length
-- returns: place int8 (1-based place in the arrays), column name, schema name, name name, increment, min, max int8,
--          cycle bool; ordered. Of a partition: what its root draws from as well
-- needs:   nothing; PostgreSQL 15+
SELECT DISTINCT s.place, a.attname, sn.nspname, q.relname, d.seqincrement, d.seqmin, d.seqmax, d.seqcycle
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
         WITH ORDINALITY AS s (schema_name, table_name, place)
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema_name
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.table_name AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisunique
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, n)
JOIN pg_catalog.pg_attribute unique_column ON unique_column.attrelid = c.oid AND unique_column.attnum = k.attnum
CROSS JOIN LATERAL (SELECT c.oid UNION SELECT pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid) AS t (oid)
JOIN pg_catalog.pg_attribute a
  ON a.attrelid = t.oid AND a.attname = unique_column.attname AND NOT a.attisdropped
CROSS JOIN LATERAL (
    SELECT u.refobjid FROM pg_catalog.pg_attrdef f
    JOIN pg_catalog.pg_depend u ON u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND u.objid = f.oid
     AND u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum
    UNION
    SELECT u.objid FROM pg_catalog.pg_depend u
    WHERE u.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.objsubid = 0 AND u.deptype = 'i'
      AND u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.refobjid = a.attrelid
      AND u.refobjsubid = a.attnum) AS drawn (oid)
JOIN pg_catalog.pg_class q ON q.oid = drawn.oid AND q.relkind = 'S'
JOIN pg_catalog.pg_sequence d ON d.seqrelid = q.oid
JOIN pg_catalog.pg_namespace sn ON sn.oid = q.relnamespace
WHERE k.n <= i.indnkeyatts
ORDER BY 1, 2, 3, 4
