-- tables_lost: the changes of a paused table are not kept any more
-- params:  $1 text task, $2 text schema, $3 text table, $4 text why
-- returns: nothing
-- needs:   UPDATE on bascule.table_state; PostgreSQL 15+
UPDATE bascule.table_state
SET paused = 'lost', message = $4::pg_catalog.text, changed_at = pg_catalog.clock_timestamp()
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL AND task = $1::pg_catalog.text AND schema_name = $2::pg_catalog.text
  AND table_name = $3::pg_catalog.text AND paused = 'kept'
