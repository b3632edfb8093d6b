-- conflict_exists: was the table of conflicts made?
-- params:  none
-- returns: exists boolean
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.to_regclass('bascule.conflict') IS NOT NULL
