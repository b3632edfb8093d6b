-- remedy_enums: the labels of the enums that the columns of one table are made of
-- params:  $1 text schema, $2 text table
-- returns: schema, name of the type, label; in the order of the type
-- needs:   pg_catalog only; PostgreSQL 14+
WITH RECURSIVE parts (oid) AS (
    SELECT a.atttypid
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text
      AND a.attnum > 0 AND NOT a.attisdropped
  UNION
    SELECT part.oid
    FROM parts
    -- include part_of_type
)
SELECT n.nspname, t.typname, e.enumlabel
FROM parts
JOIN pg_catalog.pg_type t ON t.oid = parts.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid
ORDER BY n.nspname, t.typname, e.enumsortorder
