-- cutover_blockers: who holds what SHARE ROW EXCLUSIVE would wait for on these tables
-- params:  $1 oid[] tables, $2 int4 pid of the lock session itself (or 0)
-- returns: pid int4 (NULL: prepared transaction), kind text, role text, application text, state text,
--          age_us int8 (NULL unknown), tables text, query text, yields bool (autovacuum, or a session that our
--          role may not look at and that holds what autovacuum holds), started text (of the session),
--          address text ("local" for a socket, "" unknown)
-- needs:   pg_read_all_stats to see other roles' queries; PostgreSQL 15+
SELECT l.pid, CASE WHEN l.pid IS NULL THEN 'prepared transaction'
            ELSE COALESCE(a.backend_type, 'session') END AS kind,
       COALESCE(a.usename::pg_catalog.text, '') AS role, COALESCE(a.application_name, '') AS application,
       COALESCE(a.state, '') AS state,
       (EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() - a.xact_start) * 1000000)::pg_catalog.int8
           AS age_us,
       pg_catalog.string_agg(DISTINCT l.relation::pg_catalog.regclass::pg_catalog.text, ', ') AS tables,
       COALESCE(a.query, '') AS query,
       COALESCE(a.backend_type = 'autovacuum worker',
                l.pid IS NOT NULL AND pg_catalog.bool_and(l.mode = 'ShareUpdateExclusiveLock'))
           AS yields,
       COALESCE(a.backend_start::pg_catalog.text, '') AS started,
       COALESCE(pg_catalog.host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'local' ELSE '' END, '') AS address
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
  AND l.relation = ANY ($1::pg_catalog.oid[])
  AND l.granted
  AND l.mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
                 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  AND l.pid IS DISTINCT FROM $2::pg_catalog.int4
GROUP BY l.pid, a.backend_type, a.usename, a.application_name, a.state, a.xact_start, a.query,
         a.backend_start, a.client_addr, a.client_port
ORDER BY a.xact_start NULLS FIRST, l.pid
