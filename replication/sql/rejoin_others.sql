-- rejoin_others: the tables that went on while others were copied skip what they have, when the stream is turned
--                back to the position of the copy; makes the transaction commit synchronously
-- params:  $1 text task, $2 pg_lsn position of the copy
-- returns: nothing
-- needs:   SELECT on bascule.resume; UPDATE on bascule.table_state; PostgreSQL 15+
UPDATE bascule.table_state AS t
SET from_lsn = GREATEST(t.from_lsn, r.lsn)
FROM bascule.resume AS r,
     (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL AND r.task = $1::pg_catalog.text AND t.task = r.task
  AND r.lsn > $2::pg_catalog.pg_lsn
  AND t.suspended_lsn IS NULL AND t.state = 'Table completed'
