-- verify_facts: kind, size and order on disk of tables given by name, in the order given
-- params:  $1 text[] schemas, $2 text[] names, $3 text[] a column of each, '' none
-- returns: relkind "char" (NULL: no such table), heap_bytes int8, bytes int8 with toast, block_bytes int8,
--          correlation float4 of the column (NULL unknown), row estimate int8 (-1 unknown)
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT c.relkind,
       CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_relation_size(c.oid) ELSE parts.heap END AS heap_bytes,
       CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_table_size(c.oid) ELSE parts.bytes END AS bytes,
       pg_catalog.current_setting('block_size')::pg_catalog.int8 AS block_bytes,
       s.correlation,
       c.reltuples::pg_catalog.int8 AS row_estimate
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]),
                pg_catalog.unnest($3::pg_catalog.text[]))
     WITH ORDINALITY AS w (schema_name, table_name, column_name, place)
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema_name
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.table_name
                               AND c.relkind IN ('r', 'p')
-- include parts_size
LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = w.schema_name AND s.tablename = w.table_name
                               AND s.attname = w.column_name AND s.inherited = (c.relkind = 'p')
ORDER BY w.place
