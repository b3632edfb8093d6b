-- preflight_target_schemas: which of the schemas the target has, and whether our role may create in them
-- params:  $1 text[] schemas
-- returns: name, there, may_create
-- needs:   pg_catalog only
SELECT x.name, n.oid IS NOT NULL,
       COALESCE(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), false)
FROM pg_catalog.unnest($1::pg_catalog.text[]) AS x (name)
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = x.name
ORDER BY 1
