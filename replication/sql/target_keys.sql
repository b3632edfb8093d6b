-- target_keys: the unique, immediate, complete indexes of the target's tables
-- params:  $1 text[] schema, $2 text[] table, of equal length
-- returns: place int8 (1-based place in the arrays), index_oid int8, attname name,
--          equal_schema name (where the operator = of the index stands; NULL: it has another name);
--          one row a key column
-- needs:   nothing; PostgreSQL 15+
SELECT s.place, i.indexrelid::pg_catalog.int8 AS index_oid, a.attname, e.nspname AS equal_schema
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
         WITH ORDINALITY AS s (schema_name, table_name, place)
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema_name
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.table_name AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_index i
  ON i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready
 AND i.indpred IS NULL AND i.indexprs IS NULL
CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[k.n]
JOIN pg_catalog.pg_opclass oc ON oc.oid = i.indclass[k.n]
LEFT JOIN pg_catalog.pg_amop ao
  ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
 AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
LEFT JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr AND o.oprname = '='
LEFT JOIN pg_catalog.pg_namespace e ON e.oid = o.oprnamespace
ORDER BY s.place, i.indexrelid, k.n
