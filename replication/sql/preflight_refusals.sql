-- preflight_refusals: what the given tables accept and refuse beyond the types of their columns
-- params:  $1 text[] schema, $2 text[] table, of equal length
-- returns: place int8 (1-based), kind text (not-null, check, exclude, unique, enum, label), name text, content text
-- needs:   pg_catalog only; PostgreSQL 14+
WITH RECURSIVE tables AS (
    SELECT s.place, c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS full_name
    FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
             WITH ORDINALITY AS s (schema_name, table_name, place)
    JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema_name
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.table_name AND c.relkind IN ('r', 'p')
), parts (tab, oid) AS (
    SELECT a.attrelid, a.atttypid
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid IN (SELECT oid FROM tables) AND a.attnum > 0 AND NOT a.attisdropped
  UNION
    SELECT parts.tab, part.oid
    FROM parts
    -- include part_of_type
), enums AS (
    SELECT tables.place, t.oid, pg_catalog.format('%I.%I', n.nspname, t.typname) AS full_name
    FROM parts
    JOIN tables ON tables.oid = parts.tab
    JOIN pg_catalog.pg_type t ON t.oid = parts.oid AND t.typtype = 'e'
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
)
SELECT tables.place, 'not-null' AS kind, a.attname::text AS name, a.attname::text AS content
FROM tables
JOIN pg_catalog.pg_attribute a ON a.attrelid = tables.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
UNION ALL
SELECT tables.place, CASE k.contype WHEN 'c' THEN 'check' ELSE 'exclude' END, k.conname::text,
       pg_catalog.replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID', '')
FROM tables
JOIN pg_catalog.pg_constraint k ON k.conrelid = tables.oid AND k.contype IN ('c', 'x')
UNION ALL
SELECT tables.place, 'unique', x.relname::text,
       pg_catalog.substring(pg_catalog.pg_get_indexdef(i.indexrelid), ' USING .*$')
FROM tables
JOIN pg_catalog.pg_index i ON i.indrelid = tables.oid AND i.indisunique
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
UNION ALL
SELECT place, 'enum', full_name, full_name FROM enums
UNION ALL
SELECT enums.place, 'label', enums.full_name, e.enumlabel::text
FROM enums
JOIN pg_catalog.pg_enum e ON e.enumtypid = enums.oid
ORDER BY 1, 2, 3, 4
