-- recheck_settled: may a transaction that was under way have written its commit record before that snapshot, and
--          still be invisible?
-- params:  $1 text snapshot
-- returns: settled boolean (none may), any boolean (some were under way at that snapshot)
-- needs:   nothing; who may not see other sessions waits for their transactions to end; PostgreSQL 15+
-- A commit that waits for a synchronous standby is in the WAL, decoded and applied, and not visible yet. A session
-- that is idle in its transaction has not begun to commit.
SELECT NOT EXISTS (SELECT
                   FROM pg_catalog.pg_snapshot_xip($1::pg_catalog.pg_snapshot) AS before (xid)
                   JOIN pg_catalog.pg_snapshot_xip(pg_catalog.pg_current_snapshot()) AS now (xid)
                     ON now.xid = before.xid
                   WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
                                     WHERE a.backend_xid = now.xid::pg_catalog.xid
                                       AND a.state = 'idle in transaction')) AS settled,
       EXISTS (SELECT FROM pg_catalog.pg_snapshot_xip($1::pg_catalog.pg_snapshot)) AS any_then
