-- verify_exists: were the tables of the verification made, as this version makes them?
-- params:  none
-- returns: exists boolean
-- needs:   nothing; PostgreSQL 15+
SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a
               WHERE a.attrelid = pg_catalog.to_regclass('bascule.verify_table') AND a.attname = 'file_target')
