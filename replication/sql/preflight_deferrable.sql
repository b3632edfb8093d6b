-- preflight_deferrable: unique and exclusion constraints that may be checked later than their row is written
-- params:  $1 text[] schema, $2 text[] table, of equal length
-- returns: place int8 (1-based place in the arrays), table_name text (quoted), constraint_name text (quoted),
--          definition text (the same, checked at once)
-- needs:   nothing; PostgreSQL 15+
SELECT s.place, pg_catalog.format('%I.%I', tn.nspname, t.relname) AS table_name,
       pg_catalog.quote_ident(co.conname) AS constraint_name,
       pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(co.oid), ' DEFERRABLE( INITIALLY DEFERRED)?', '')
         AS definition
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
         WITH ORDINALITY AS s (schema_name, table_name, place)
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema_name
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.table_name AND c.relkind IN ('r', 'p')
LEFT JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) AS p ON true
JOIN pg_catalog.pg_class t ON t.oid = COALESCE(p.relid, c.oid)
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_catalog.pg_index i ON i.indrelid = t.oid AND (i.indisunique OR i.indisexclusion) AND NOT i.indimmediate
JOIN pg_catalog.pg_constraint co
  ON co.conindid = i.indexrelid AND co.conrelid = t.oid AND co.contype IN ('p', 'u', 'x') AND co.conparentid = 0
ORDER BY s.place, t.relname, co.conname
