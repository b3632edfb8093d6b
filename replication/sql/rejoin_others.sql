-- rejoin_others: the tables that went on while others were copied skip what they have, when the stream is turned
--                back to the position of the copy; makes the transaction commit synchronously
-- params:  $1 text task, $2 pg_lsn position of the copy
-- returns: nothing
-- needs:   SELECT, UPDATE on bascule.resume; UPDATE on bascule.table_state; PostgreSQL 15+
-- The lock waits for a transaction of the applier whose COMMIT is still on its way: its rows count too.
WITH r AS MATERIALIZED
    (SELECT task, lsn FROM bascule.resume WHERE task = $1::pg_catalog.text FOR UPDATE)
UPDATE bascule.table_state AS t
SET from_lsn = GREATEST(t.from_lsn, r.lsn)
FROM r,
     (SELECT pg_catalog.set_config('synchronous_commit',
             CASE pg_catalog.current_setting('synchronous_commit')
                 WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS level) AS durable
WHERE durable.level IS NOT NULL AND t.task = r.task
  AND r.lsn > $2::pg_catalog.pg_lsn
  AND t.suspended_lsn IS NULL AND t.state = 'Table completed'
