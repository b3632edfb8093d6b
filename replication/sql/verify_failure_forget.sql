-- verify_failure_forget: a table was compared to its end: what the run has not seen again is gone; what was
--          repaired stays, as a record
-- params:  $1 text task, $2 text schema, $3 text table, $4 int8 run
-- returns: nothing
-- needs:   DELETE on bascule.failures; PostgreSQL 15+
DELETE FROM bascule.failures
WHERE task_name = $1 AND table_owner = $2 AND table_name = $3 AND run <> $4::pg_catalog.int8
  AND repaired_at IS NULL
