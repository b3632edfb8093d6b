-- cutover_task_open: the task's life cycle has come to its end in this direction
-- params:  $1 text task, $2 text state (cut-over; rolled-back)
-- returns: nothing
-- needs:   UPDATE on bascule.task; PostgreSQL 15+
UPDATE bascule.task SET state = $2::pg_catalog.text, changed_at = pg_catalog.clock_timestamp()
WHERE task = $1::pg_catalog.text
