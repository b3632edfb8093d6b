-- verify_exists: were the tables of the verification made?
-- params:  none
-- returns: exists boolean
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.to_regclass('bascule.failures') IS NOT NULL
