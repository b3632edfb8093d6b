-- verify_foreign_keys: foreign keys of tables given by name, one row a column
-- params:  $1 text[] schemas, $2 text[] names
-- returns: place int8 (of the table in the arrays, from 1), oid int8, name, parent schema name, parent name name,
--          validated boolean, column name, parent's column name, schema and name of the operator that compares them
-- needs:   pg_catalog only; PostgreSQL 15+
-- A key to a partitioned table stands there once more for each of its partitions, and one with PERIOD (18)
-- is no question of single rows: both are left out.
SELECT w.place, c.oid::pg_catalog.int8 AS oid, c.conname, pn.nspname, p.relname, c.convalidated,
       ca.attname AS child_column, pa.attname AS parent_column, n.nspname AS operator_schema, o.oprname
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
     WITH ORDINALITY AS w (schema_name, table_name, place)
JOIN pg_catalog.pg_namespace tn ON tn.nspname = w.schema_name
JOIN pg_catalog.pg_class t ON t.relnamespace = tn.oid AND t.relname = w.table_name
JOIN pg_catalog.pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f'
JOIN pg_catalog.pg_class p ON p.oid = c.confrelid
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey),
                              pg_catalog.unnest(c.conpfeqop))
     WITH ORDINALITY AS k (child, parent, operator, place)
JOIN pg_catalog.pg_attribute ca ON ca.attrelid = c.conrelid AND ca.attnum = k.child
JOIN pg_catalog.pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = k.parent
JOIN pg_catalog.pg_operator o ON o.oid = k.operator
JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint up
                  WHERE up.oid = c.conparentid AND up.conrelid = c.conrelid)
  AND NOT COALESCE((pg_catalog.to_jsonb(c) ->> 'conperiod')::pg_catalog.bool, false)
ORDER BY w.place, c.conname, c.oid, k.place
