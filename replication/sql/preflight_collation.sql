-- preflight_collation: the version of the database's collation as recorded, and as the library has it now
-- params:  none
-- returns: recorded, actual (NULL: the locale has no versions)
-- needs:   PostgreSQL 15+
SELECT d.datcollversion, pg_catalog.pg_database_collation_actual_version(d.oid)
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
