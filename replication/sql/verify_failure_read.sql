-- verify_failure_read: the failures that a run has named so far and that are open
-- params:  $1 int8 run
-- returns: schema text, table text, key text, failure type text, details text, first_lsn pg_lsn,
--          first_us int8 (microseconds since 1970), writer text (NULL: not known)
-- needs:   SELECT on bascule.failures; PostgreSQL 15+
SELECT f.table_owner, f.table_name, f.key, f.failure_type, f.details, f.first_lsn,
       (EXTRACT(epoch FROM f.failure_time) * 1000000)::pg_catalog.int8 AS first_us, f.writer
FROM bascule.failures f
WHERE f.run = $1::pg_catalog.int8 AND f.repaired_at IS NULL
ORDER BY f.table_owner, f.table_name, f.failure_time
