-- preflight_extensions_target: what the target has of the given extensions
-- params:  $1 text[] names
-- returns: name, installed version (NULL not), version that CREATE EXTENSION gives (NULL: not there),
--          our role may create it
-- needs:   pg_catalog only; PostgreSQL 13+
SELECT x.name, e.extversion, a.default_version,
       COALESCE(r.rolsuper OR NOT v.superuser
                OR (v.trusted AND pg_catalog.has_database_privilege(
                        pg_catalog.current_database(), 'CREATE')), false)
FROM pg_catalog.unnest($1::pg_catalog.text[]) AS x (name)
JOIN pg_catalog.pg_roles r ON r.rolname = current_user
LEFT JOIN pg_catalog.pg_extension e ON e.extname = x.name
LEFT JOIN pg_catalog.pg_available_extensions a ON a.name = x.name
LEFT JOIN pg_catalog.pg_available_extension_versions v
       ON v.name = x.name AND v.version = a.default_version
ORDER BY 1
