-- source_guard_missing: tables that this session does not hold ACCESS SHARE on (replaced under their name)
-- params:  $1 oid[] tables
-- returns: oid
-- needs:   pg_catalog only
SELECT t.oid
FROM pg_catalog.unnest($1::pg_catalog.oid[]) t (oid)
LEFT JOIN pg_catalog.pg_locks l
       ON l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid() AND l.granted
      AND l.mode = 'AccessShareLock' AND l.relation = t.oid
      AND l.database = (SELECT oid FROM pg_catalog.pg_database
                        WHERE datname = pg_catalog.current_database())
WHERE l.relation IS NULL
