-- recheck_settled: is none of these transactions left that may have written its commit record by then, and that
--          nobody sees yet?
-- params:  $1 text xids, an array
-- returns: settled boolean
-- needs:   nothing; who may not see other sessions waits for their transactions to end; PostgreSQL 15+
-- A commit that waits for a synchronous standby is in the WAL, decoded and applied, and not visible yet. A session
-- that is idle in its transaction has not begun to commit.
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
                   WHERE a.backend_xid = ANY ($1::pg_catalog.xid[]) AND a.state IS DISTINCT FROM 'idle in transaction')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts p
                   WHERE p.transaction = ANY ($1::pg_catalog.xid[])) AS settled
