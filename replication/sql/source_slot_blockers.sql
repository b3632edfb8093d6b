-- source_slot_blockers: what the creation of a slot waits for: transactions with an xid, in any
--          database, and prepared ones
-- params:  none
-- returns: description, age in seconds (-1 unknown), oldest first
-- needs:   pg_catalog only; state and age of other users' sessions need pg_read_all_stats
SELECT pg_catalog.format('pid %s (user %s, database %s, %s)', l.pid, COALESCE(a.usename, 'unknown'),
                         COALESCE(a.datname, 'none'), COALESCE(a.state, 'state unknown')),
       COALESCE(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8, -1)
           AS age
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS NOT NULL
  AND l.pid <> pg_catalog.pg_backend_pid()
UNION ALL
SELECT pg_catalog.format('prepared transaction %L (owner %s, database %s)', p.gid, p.owner, p.database),
       extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::pg_catalog.int8
FROM pg_catalog.pg_prepared_xacts p
ORDER BY 2 DESC
