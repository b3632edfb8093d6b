-- verify_failure_write: a row that differs; the time and position of the first sight stay
-- params:  $1 text task, $2 text schema, $3 text table, $4 text key type, $5 text key, $6 text failure type,
--          $7 text details, $8 pg_lsn lsn, $9 int8 run
-- returns: nothing
-- needs:   INSERT, UPDATE on bascule.failures; PostgreSQL 15+
INSERT INTO bascule.failures
    (task_name, table_owner, table_name, key_type, key, failure_type, details, first_lsn, run)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::pg_catalog.pg_lsn, $9::pg_catalog.int8)
ON CONFLICT (task_name, table_owner, table_name, failure_type, pg_catalog.md5(key)) DO UPDATE
SET details = EXCLUDED.details, run = EXCLUDED.run
