-- source_is_partitioned: is a name that of a partitioned table, which holds no rows itself?
-- params:  $1 text schema, $2 text name
-- returns: partitioned bool
-- needs:   pg_catalog only
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = $1::pg_catalog.name AND c.relname = $2::pg_catalog.name
                 AND c.relkind = 'p') AS partitioned
