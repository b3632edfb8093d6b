-- source_guard_holders: who holds or waits for ACCESS EXCLUSIVE on one of the tables
-- params:  $1 oid[] tables
-- returns: table oid, description
-- needs:   pg_catalog only
SELECT l.relation,
       pg_catalog.format('pid %s (user %s, %s) %s it', COALESCE(l.pid::text, 'none'),
                         COALESCE(a.usename, 'unknown'), COALESCE(a.state, 'state unknown'),
                         CASE WHEN l.granted THEN 'holds' ELSE 'waits for' END)
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
  AND l.relation = ANY ($1::pg_catalog.oid[])
  AND l.database = (SELECT oid FROM pg_catalog.pg_database
                    WHERE datname = pg_catalog.current_database())
ORDER BY l.granted DESC
LIMIT 1
