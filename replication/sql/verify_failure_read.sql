-- verify_failure_read: the failures that a run has named so far
-- params:  $1 int8 run
-- returns: schema text, table text, key text, failure type text, details text, first_lsn pg_lsn
-- needs:   SELECT on bascule.failures; PostgreSQL 15+
SELECT f.table_owner, f.table_name, f.key, f.failure_type, f.details, f.first_lsn
FROM bascule.failures f
WHERE f.run = $1::pg_catalog.int8
ORDER BY f.table_owner, f.table_name, f.failure_time
