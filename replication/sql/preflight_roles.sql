-- preflight_roles: which of the roles the target lacks
-- params:  $1 text[] names
-- returns: name
-- needs:   pg_catalog only
SELECT x.name
FROM pg_catalog.unnest($1::pg_catalog.text[]) AS x (name)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = x.name)
ORDER BY 1
