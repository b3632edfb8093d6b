-- load_target_kind: what kind of relation a table of the target is
-- params:  $1 text schema, $2 text table
-- returns: relkind
-- needs:   pg_catalog only
SELECT c.relkind
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
