-- preflight_owners: roles that own tables, sequences, views, functions, types or schemas of the database
-- params:  none
-- returns: name
-- needs:   pg_catalog only
SELECT DISTINCT r.rolname
FROM (SELECT c.relowner, c.relnamespace FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'S', 'v', 'm', 'f')
      UNION ALL SELECT f.proowner, f.pronamespace FROM pg_catalog.pg_proc f
      UNION ALL SELECT t.typowner, t.typnamespace FROM pg_catalog.pg_type t
      UNION ALL SELECT s.nspowner, s.oid FROM pg_catalog.pg_namespace s) o (owner, namespace)
JOIN pg_catalog.pg_namespace n ON n.oid = o.namespace
JOIN pg_catalog.pg_roles r ON r.oid = o.owner
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'bascule') AND n.nspname !~ '^pg_'
  AND r.rolname !~ '^pg_'
ORDER BY 1
