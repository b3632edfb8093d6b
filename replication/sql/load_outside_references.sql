-- load_outside_references: a foreign key of a table outside the scope to one of the given tables
-- params:  $1 text[] schemas, $2 text[] tables (of the target, pairwise)
-- returns: referencing table, referenced table, constraint; at most one row
-- needs:   pg_catalog only
-- Partitioned tables above given leaves count as given.
WITH RECURSIVE given AS (
    SELECT c.oid
    FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) t (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
), family AS (
    SELECT oid FROM given
  UNION
    SELECT i.inhparent
    FROM family
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = family.oid
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
)
SELECT pg_catalog.format('%s.%s', fn.nspname, fc.relname),
       pg_catalog.format('%s.%s', tn.nspname, tc.relname), k.conname
FROM pg_catalog.pg_constraint k
JOIN given ON given.oid = k.confrelid
JOIN pg_catalog.pg_class fc ON fc.oid = k.conrelid
JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
JOIN pg_catalog.pg_class tc ON tc.oid = k.confrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
WHERE k.contype = 'f' AND k.conrelid NOT IN (SELECT oid FROM family)
ORDER BY 1, 2
LIMIT 1
