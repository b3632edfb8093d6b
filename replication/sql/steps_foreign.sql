-- steps_foreign: tables in which other tools keep the history of a schema
-- params:  none
-- returns: nspname text, relname text
-- needs:   nothing but the catalog; PostgreSQL 15+
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND c.relname IN ('alembic_version', 'flyway_schema_history')
ORDER BY n.nspname, c.relname
