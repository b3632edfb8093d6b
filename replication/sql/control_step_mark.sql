-- control_step_mark: records that a step of the schema work is done, with a synchronous commit
-- params:  $1 text task, $2 text step
-- returns: nothing
-- needs:   INSERT on bascule.step; PostgreSQL 15+
INSERT INTO bascule.step (task, step)
SELECT $1::pg_catalog.text, $2::pg_catalog.text
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL
ON CONFLICT (task, step) DO NOTHING
