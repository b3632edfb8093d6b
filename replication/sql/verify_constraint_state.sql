-- verify_constraint_state: does a table have a foreign key of this name, and is it validated?
-- params:  $1 text schema, $2 text table, $3 text constraint
-- returns: validated boolean; no row: there is none
-- needs:   pg_catalog only; PostgreSQL 15+
SELECT c.convalidated
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE c.contype = 'f' AND n.nspname = $1::pg_catalog.name AND t.relname = $2::pg_catalog.name
  AND c.conname = $3::pg_catalog.name
