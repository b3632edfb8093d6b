-- preflight_target_references: foreign keys of the target's tables
-- params:  $1 text[] schema, $2 text[] table, of equal length: the tables in scope
-- returns: constraint, schema and table that reference, schema and table referenced, the referencing table
--          is in scope
-- needs:   pg_catalog only
WITH scope AS MATERIALIZED (
    SELECT c.oid
    FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
             AS s (schema_name, table_name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema_name
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.table_name
)
SELECT k.conname, fn.nspname, f.relname, tn.nspname, t.relname,
       EXISTS (SELECT FROM scope WHERE scope.oid = k.conrelid)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class f ON f.oid = k.conrelid
JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
WHERE k.contype = 'f' AND k.confrelid IN (SELECT oid FROM scope)
ORDER BY 2, 3, 1
