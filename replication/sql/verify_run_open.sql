-- verify_run_open: the newest run of a task that was interrupted
-- params:  $1 text task, $2 text options
-- returns: run int8, started_at in microseconds since 1970 int8; no row: nothing to go on with
-- needs:   SELECT on bascule.verify_run; PostgreSQL 15+
SELECT r.run,
       (EXTRACT(epoch FROM r.started_at) * 1000000)::pg_catalog.int8
FROM bascule.verify_run r
WHERE r.task = $1 AND r.options = $2 AND r.state = 'running' AND r.exact
ORDER BY r.run DESC
LIMIT 1
