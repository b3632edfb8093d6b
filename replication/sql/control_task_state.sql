-- control_task_state: moves a task to another state, with a synchronous commit
-- params:  $1 text task, $2 text state
-- returns: nothing; affects 1 row
-- needs:   UPDATE on bascule.task; PostgreSQL 15+
UPDATE bascule.task AS t
SET state = $2::pg_catalog.text, changed_at = pg_catalog.clock_timestamp()
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL AND t.task = $1::pg_catalog.text
