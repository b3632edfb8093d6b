-- sync_target_tables: names of all tables of the target, to see which of the source's are there already
-- returns: name text ("schema.table", not quoted)
-- needs:   SELECT on pg_catalog only; PostgreSQL 10+
SELECT n.nspname || '.' || c.relname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule')
   AND n.nspname !~ '^pg_(toast|temp)'
