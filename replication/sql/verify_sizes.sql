-- verify_sizes: kind and size of tables given by name, in the order given
-- params:  $1 text[] schemas, $2 text[] names
-- returns: relkind "char" (NULL: no such table), heap_bytes int8 (of a partitioned one: of its largest partition), bytes int8 with toast, block_bytes int8
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT c.relkind,
       CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_relation_size(c.oid) ELSE parts.heap END AS heap_bytes,
       CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_table_size(c.oid) ELSE parts.bytes END AS bytes,
       pg_catalog.current_setting('block_size')::pg_catalog.int8 AS block_bytes
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
     WITH ORDINALITY AS w (schema_name, table_name, place)
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema_name
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.table_name
                               AND c.relkind IN ('r', 'p')
-- include parts_size
ORDER BY w.place
