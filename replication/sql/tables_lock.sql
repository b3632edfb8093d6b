-- tables_lock: the resume position of a task, which stays while the transaction lasts; the transaction commits
--              synchronously. Waits for one of the applier whose COMMIT is still on its way.
-- params:  $1 text task
-- returns: lsn pg_lsn
-- needs:   SELECT, UPDATE on bascule.resume; PostgreSQL 15+
SELECT r.lsn
FROM bascule.resume r,
     (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL AND r.task = $1::pg_catalog.text
FOR UPDATE OF r
