-- control_resume_set: sets where the stream of a task begins, with a synchronous commit
-- params:  $1 text task, $2 pg_lsn lsn
-- returns: nothing
-- needs:   INSERT, UPDATE on bascule.resume; PostgreSQL 15+
INSERT INTO bascule.resume AS r (task, lsn)
SELECT $1::pg_catalog.text, $2::pg_catalog.pg_lsn
FROM (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL
ON CONFLICT (task) DO UPDATE SET lsn = EXCLUDED.lsn, wrote = NULL
