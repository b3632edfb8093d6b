-- views_target: a materialized view of the target
-- params:  $1 text schema, $2 text name
-- returns: concurrently bool (it is filled, and a unique index covers all its rows); no row: there is none
-- needs:   pg_catalog only
SELECT c.relispopulated
       AND EXISTS (SELECT FROM pg_catalog.pg_index i
                   WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                     AND i.indpred IS NULL AND i.indexprs IS NULL)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND n.nspname = $1 AND c.relname = $2
