-- preflight_writers: what a slot's creation would wait for, in any database: transactions with an xid, and
--          prepared ones
-- params:  none
-- returns: pid (NULL: prepared), gid (NULL: running), user, database, state, age in seconds (NULL unknown)
-- needs:   pg_catalog only; state and age of other users' sessions need pg_read_all_stats
SELECT l.pid, NULL::text AS gid, a.usename, a.datname, a.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8 AS age
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS NOT NULL
  AND l.pid <> pg_catalog.pg_backend_pid()
UNION ALL
SELECT NULL, p.gid, p.owner, p.database, 'prepared',
       extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::pg_catalog.int8
FROM pg_catalog.pg_prepared_xacts p
ORDER BY age DESC NULLS LAST
