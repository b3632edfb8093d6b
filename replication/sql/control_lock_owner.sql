-- control_lock_owner: which session holds the lock on a task
-- params:  $1 int8 key of the task
-- returns: pid int4, application_name text (empty when it may not be seen)
-- needs:   nothing; PostgreSQL 15+
SELECT l.pid, COALESCE(a.application_name, '') AS application_name
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory'
  AND l.granted
  AND l.objsubid = 1
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
  AND l.classid::pg_catalog.int8 = ($1::pg_catalog.int8 >> 32) & 4294967295
  AND l.objid::pg_catalog.int8 = $1::pg_catalog.int8 & 4294967295
LIMIT 1
