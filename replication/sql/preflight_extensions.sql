-- preflight_extensions: extensions of the source
-- params:  none
-- returns: name, version
-- needs:   pg_catalog only
SELECT e.extname, e.extversion FROM pg_catalog.pg_extension e ORDER BY 1
