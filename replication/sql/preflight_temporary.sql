-- preflight_temporary: may the role make temporary tables in this database
-- params:  none
-- returns: may bool, database name
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY') AS may,
       pg_catalog.current_database() AS database
