-- verify_failure_write: a row that differs; the time and position of the first sight stay, unless it was repaired
--          in between: then this is a new one
-- params:  $1 text task, $2 text schema, $3 text table, $4 text key type, $5 text key, $6 text failure type,
--          $7 text details, $8 pg_lsn lsn, $9 int8 run, $10 text writer (NULL: not known)
-- returns: first_lsn pg_lsn, first_us int8 (microseconds since 1970)
-- needs:   INSERT, UPDATE, SELECT on bascule.failures; PostgreSQL 15+
INSERT INTO bascule.failures AS f
    (task_name, table_owner, table_name, key_type, key, failure_type, details, first_lsn, run, writer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::pg_catalog.pg_lsn, $9::pg_catalog.int8, $10)
ON CONFLICT (task_name, table_owner, table_name, failure_type, pg_catalog.md5(key)) DO UPDATE
SET details = EXCLUDED.details, run = EXCLUDED.run,
    writer = CASE WHEN f.writer = 'others' AND f.repaired_at IS NULL THEN f.writer ELSE EXCLUDED.writer END,
    failure_time = CASE WHEN f.repaired_at IS NULL THEN f.failure_time ELSE pg_catalog.clock_timestamp() END,
    first_lsn = CASE WHEN f.repaired_at IS NULL THEN f.first_lsn ELSE EXCLUDED.first_lsn END,
    repaired_at = NULL, repaired_lsn = NULL, repair = NULL
RETURNING f.first_lsn, (EXTRACT(epoch FROM f.failure_time) * 1000000)::pg_catalog.int8
