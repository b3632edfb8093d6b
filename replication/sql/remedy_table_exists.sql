-- remedy_table_exists: is there a table of that name?
-- params:  $1 text schema, $2 text name
-- returns: bool
-- needs:   pg_catalog only
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text
                 AND c.relkind IN ('r', 'p'))
