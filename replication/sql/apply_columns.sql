-- apply_columns: how the values of the target's columns can be sent
-- params:  $1 text[] schema, $2 text[] table, of equal length
-- returns: place int8 (1-based place in the arrays), attname name, type_oid int8,
--          as_array bool (arrays of it can be unnested to one column: it has an array type, and neither it
--          nor what it is a domain of is composite), delimiter "char" (between the elements of an array),
--          plain bool (not generated)
-- needs:   nothing; PostgreSQL 15+
SELECT s.place, a.attname, t.oid::pg_catalog.int8 AS type_oid,
       t.typarray <> 0 AND NOT base.composite AS as_array, t.typdelim AS delimiter,
       a.attgenerated = '' AS plain
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
         WITH ORDINALITY AS s (schema_name, table_name, place)
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema_name
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.table_name AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
CROSS JOIN LATERAL (
    WITH RECURSIVE chain (typtype, typbasetype) AS (
        SELECT t.typtype, t.typbasetype
        UNION ALL
        SELECT b.typtype, b.typbasetype
        FROM chain
        JOIN pg_catalog.pg_type b ON b.oid = chain.typbasetype
    )
    SELECT pg_catalog.bool_or(chain.typtype = 'c') AS composite FROM chain
) AS base
