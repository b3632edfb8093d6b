-- cutover_task_open: the task's life cycle has come to its end
-- params:  $1 text task
-- returns: nothing
-- needs:   UPDATE on bascule.task; PostgreSQL 15+
UPDATE bascule.task SET state = 'cut-over', changed_at = pg_catalog.clock_timestamp()
WHERE task = $1::pg_catalog.text
