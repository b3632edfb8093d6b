-- cutover_waiting: how many sessions wait for a lock that this session holds
-- params:  none
-- returns: waiting int8
-- needs:   nothing; PostgreSQL 15+
SELECT pg_catalog.count(DISTINCT w.pid) AS waiting
FROM pg_catalog.pg_locks w
JOIN pg_catalog.pg_locks h ON h.locktype = 'relation' AND h.pid = pg_catalog.pg_backend_pid() AND h.granted
  AND h.mode = 'ShareRowExclusiveLock' AND h.database = w.database AND h.relation = w.relation
WHERE w.locktype = 'relation' AND NOT w.granted
