-- target_partitions: what tables given by name are on the target, and how they came to be partitions
-- params:  $1 text[] schema, $2 text[] table, of equal length
-- returns: relkind (NULL: no such table), chain text (NULL: no partition; see the fragment); in the order given
-- needs:   pg_catalog only; PostgreSQL 14+
SELECT c.relkind,
       -- include partition_chain
       AS chain
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
     WITH ORDINALITY AS s (schema_name, table_name, place)
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema_name
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.table_name
ORDER BY s.place
